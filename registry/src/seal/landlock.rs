//! The second layer: Landlock denies binding and connecting TCP sockets, and reaching abstract Unix sockets of others.
//!
//! It restricts no file. It is no proof by itself: as of Linux 6.18 it knows neither UDP nor MPTCP nor TCP Fast Open, and
//! before ABI 8 it leaves out the threads that already run. Rights for UDP are newer than the crate that speaks to it.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

use landlock::{
    ABI, Access, AccessNet, CompatLevel, Compatible, LandlockStatus, RestrictSelfAttr, RestrictionStatus,
    Ruleset, RulesetAttr, RulesetError, RulesetStatus, Scope,
};
use tracing::info;

use super::Landlock;

/// Restricts what this kernel can restrict; `None` where it has no Landlock, or one without network rights. To be called
/// before the filter, which would refuse the trial call by itself.
pub(super) fn restrict() -> Option<Landlock> {
    let status = match apply() {
        Ok(status) => status,
        Err(error) => {
            info!(%error, "Landlock could not be applied");
            return None;
        }
    };
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => None,
        (_, LandlockStatus::Available { effective_abi, .. }) if is_in_force() => {
            Some(Landlock { abi: effective_abi as i32, all_threads: status.all_threads })
        }
        _ => None,
    }
}

fn apply() -> Result<RestrictionStatus, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessNet::from_all(ABI::V4))?
        .scope(Scope::AbstractUnixSocket)?
        .create()?
        .all_threads(true)?
        .restrict_self()
}

/// Evidence instead of belief: binding must fail now.
fn is_in_force() -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}
