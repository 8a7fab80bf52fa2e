//! Timeouts for a registry that the run starts itself.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::strategy::Strategy;
use scenarios::model::Policy;

use super::{Purpose, draw};

/// The type whose lease is long enough to register thousands before the first one expires.
pub const WAVE_TYPE: &str = "wave";

/// A second type, whose timeouts differ from those of `default` in every figure.
const BRISK_TYPE: &str = "brisk";

/// Policies of three types. X of `wave` is what registering a wave may take; `stretch` makes the others slower, for a
/// machine that is.
pub fn policies(seed: u64, stretch: u64, wave_expires_after: Duration) -> BTreeMap<String, Policy> {
    // The two are so far apart that each is late by the other even where the harness's slack hides a good deal.
    // H, then D in sixths of H, X in sixths of D, Q in sixths of X.
    let slow = (18_u64..=20, 13_u64..=15, 12_u64..=14, 9_u64..=11);
    let fast = (8_u64..=9, 13_u64..=15, 11_u64..=13, 9_u64..=11);
    let policy = move |(tens, degraded, expired, evicted): (u64, u64, u64, u64)| {
        let interval = tens * 10 * stretch;
        let degraded_after = interval * degraded / 6;
        let expires_after = degraded_after * expired / 6;
        from_ms(interval, degraded_after, expires_after, expires_after * evicted / 6)
    };
    let drawn = draw(seed, Purpose::Policies, &(slow.prop_map(policy), fast.prop_map(policy)));
    let (default, brisk) =
        drawn.unwrap_or_else(|| (from_ms(190, 440, 950, 1_600), from_ms(85, 195, 390, 650)));
    let wave_ms = u64::try_from(wave_expires_after.as_millis()).unwrap_or(u64::MAX / 8).max(8);
    let wave = from_ms(wave_ms / 4, wave_ms / 2, wave_ms, wave_ms * 2);
    BTreeMap::from([
        ("default".to_owned(), default),
        (BRISK_TYPE.to_owned(), brisk),
        (WAVE_TYPE.to_owned(), wave),
    ])
}

fn from_ms(interval: u64, degraded: u64, expires: u64, evict: u64) -> Policy {
    Policy {
        heartbeat_interval: Duration::from_millis(interval),
        degraded_after: Some(Duration::from_millis(degraded)),
        expires_after: Duration::from_millis(expires),
        evict_after: Some(Duration::from_millis(evict)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_gives_timeouts_in_order_that_differ_by_type() {
        for seed in 0..500 {
            let policies = policies(seed, 1, Duration::from_secs(12));
            for policy in policies.values() {
                assert!(policy.heartbeat_interval < policy.degraded_after.unwrap());
                assert!(policy.degraded_after.unwrap() < policy.expires_after);
                assert!(policy.expires_after < policy.evict_after.unwrap());
            }
            let (slow, fast) = (&policies["default"], &policies[BRISK_TYPE]);
            assert!(slow.degraded_after > fast.degraded_after && slow.expires_after > fast.expires_after);
        }
    }

    #[test]
    fn another_seed_gives_other_timeouts() {
        let wave = Duration::from_secs(12);
        assert_eq!(policies(7, 1, wave), policies(7, 1, wave));
        assert!((0..20).any(|seed| policies(seed, 1, wave) != policies(7, 1, wave)));
    }
}
