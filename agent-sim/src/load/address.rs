//! Where a URL leads.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

/// Host and port, and the path before all others, of a URL that a client was made for.
pub(crate) fn parts_of(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (authority.rsplit('@').next().unwrap_or(authority), path)
}

/// Where a host and port are: the first address that takes a connection, else the first.
pub(crate) fn address_of(authority: &str) -> Result<SocketAddr, String> {
    const PATIENCE: Duration = Duration::from_secs(1);
    let has_port = authority.rsplit(']').next().is_some_and(|end| end.contains(':'));
    let authority = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let found = authority.to_socket_addrs().map_err(|error| error.to_string())?.collect::<Vec<_>>();
    let takes = |address: &&SocketAddr| std::net::TcpStream::connect_timeout(address, PATIENCE).is_ok();
    // A single one needs no trying.
    let taken = if found.len() == 1 { None } else { found.iter().find(takes) };
    taken.or(found.first()).copied().ok_or_else(|| "its name has no address".to_owned())
}
