//! A pause of the process is nobody's silence.

use registry_core::time::Instant;

use crate::support::{MS, World, full, lean};

impl World {
    fn pause_us(&mut self, us: i64) {
        self.now_us += us;
        self.core.resume(Instant::from_us(self.now_us), us.cast_unsigned());
    }
}

#[test]
fn a_lease_moves_by_the_gap() {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    world.wait_us(30 * MS);
    world.pause_us(150 * MS);
    world.wait_us(70 * MS - 1);
    assert_eq!(world.status("a"), "healthy");
    world.wait_us(1);
    assert_eq!(world.status("a"), "degraded, missed");
}

#[test]
fn heartbeats_that_waited_are_served_before_anything_expires() {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    world.wait_us(199 * MS);
    assert_eq!(world.status("a"), "degraded, missed");
    world.pause_us(150 * MS);
    world.wait_us(49 * MS);
    assert_eq!(world.result(&lean("a")), "renewed");
}

#[test]
fn after_a_gap_beyond_every_lease_a_full_one_begins() {
    let mut world = World::new();
    world.beat(&full("beats")).unwrap();
    world.beat(&full("dead")).unwrap();
    world.wait_us(90 * MS);
    world.pause_us(1_200 * MS);
    world.wait_us(200 * MS - 1);
    assert_eq!(world.result(&lean("beats")), "renewed");
    world.wait_us(1);
    assert_eq!(world.status("dead"), "expired, missed");
}

#[test]
fn a_pause_brings_nobody_back() {
    let mut world = World::new();
    world.beat(&full("expired")).unwrap();
    world.wait_us(110 * MS);
    world.beat(&full("degraded")).unwrap();
    world.wait_us(100 * MS);
    assert_eq!(
        (world.status("expired").as_str(), world.status("degraded").as_str()),
        ("expired, missed", "degraded, missed")
    );
    world.pause_us(10_000 * MS);
    assert_eq!(
        (world.status("expired").as_str(), world.status("degraded").as_str()),
        ("expired, missed", "degraded, missed")
    );
    // Also one that had missed a heartbeat has a full lease, without looking any better for it.
    world.wait_us(200 * MS - 1);
    assert_eq!(world.status("degraded"), "degraded, missed");
    world.wait_us(1);
    assert_eq!(world.status("degraded"), "expired, missed");
    world.wait_us(190 * MS);
    assert_eq!(
        (world.status("expired").as_str(), world.status("degraded").as_str()),
        ("gone", "expired, missed")
    );
}
