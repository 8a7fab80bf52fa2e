//! A process under the kernel's eye: strace logs every system call by which it, its threads and its children turn to
//! somebody. It needs no rights beyond those over one's own children.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use reports::history::{OutwardCall, OutwardKind, Watch};
use tokio::process::Command;

use super::LaunchSpec;

/// What is logged: all that opens a connection or sends, all that hands out descriptors, and what could act unseen.
const CALLS: &str =
    "trace=connect,sendto,sendmsg,sendmmsg,write,writev,socket,close,accept,accept4,io_uring_setup";

/// So much of what is sent is logged: more than a question for a name has.
const LOGGED_BYTES: &str = "400";

/// Most outward calls that are kept.
const MOST_CALLS: usize = 200;

/// Most characters of a call that are kept.
const MOST_CHARACTERS: usize = 300;

/// Ready and stopping take longer under a log.
const SLOWER: u32 = 6;

/// How long trying out strace may take.
const TRIAL: Duration = Duration::from_secs(30);

/// Paths of local services that look up names for others.
const NAME_SERVICES: &[&str] = &["nscd", "io.systemd.Resolve", "resolve/", "avahi", "mdns", "sssd", "lookup"];

/// Whether the kernel can be asked here.
///
/// # Errors
/// Why not, in words.
pub async fn can_watch() -> Result<(), String> {
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-e", CALLS, "-o", "/dev/null", "true"])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    match tokio::time::timeout(TRIAL, command.output()).await {
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => {
            let words = String::from_utf8_lossy(&output.stderr);
            Err(format!("strace may not look at its own child here: {}", words.trim()))
        }
        Ok(Err(error)) => Err(format!("strace cannot be run ({error}); install it to have the kernel asked")),
        Err(_) => Err(format!("strace did not end within {TRIAL:?}")),
    }
}

/// The same registry, with its log in `log`.
pub fn watched(spec: &LaunchSpec, log: &Path) -> LaunchSpec {
    let mut arguments: Vec<String> =
        ["-f", "-qq", "-s", LOGGED_BYTES, "-e", CALLS, "-o"].map(str::to_owned).to_vec();
    arguments.extend([log.display().to_string(), "--".to_owned(), spec.program.display().to_string()]);
    arguments.extend(spec.arguments.iter().cloned());
    LaunchSpec {
        program: "strace".into(),
        arguments,
        ready_timeout: spec.ready_timeout * SLOWER,
        ..spec.clone()
    }
}

/// Reads a log into `watch`, which knows the names; its first `quiet_lines` lines came before any provocation.
pub fn read_log(log: &str, quiet_lines: usize, watch: &mut Watch) {
    // What each descriptor that the process connected leads to. The numbers are those of all its processes: a child
    // with a table of its own makes a connection look like another's at the worst.
    let mut leads_to: BTreeMap<i64, String> = BTreeMap::new();
    for (number, line) in log.lines().enumerate() {
        let (name, arguments) = call(line);
        match name {
            "accept" | "accept4" | "socket" => {
                if let Some(descriptor) = returned(line) {
                    leads_to.remove(&descriptor);
                    watch.accepted += u64::from(name != "socket");
                }
            }
            "close" => {
                let descriptor = arguments.split([')', ' ']).next().and_then(|word| word.parse().ok());
                descriptor.map(|descriptor: i64| leads_to.remove(&descriptor));
            }
            _ => {}
        }
        let Some((kind, to)) = outward(name, arguments, &mut leads_to) else { continue };
        // A call that went wrong was made all the same; but a means that it was refused can do nothing unseen.
        let hidden = matches!(kind, OutwardKind::NameService | OutwardKind::Unseen);
        if hidden && line.contains(" = -1 E") {
            continue;
        }
        let name = watch.names.iter().find(|name| tells(arguments, name)).cloned();
        // What else goes over a connection is no further fault.
        if kind == OutwardKind::Write && name.is_none() {
            continue;
        }
        if watch.calls.len() == MOST_CALLS {
            watch.omitted += 1;
            continue;
        }
        let text = line.chars().take(MOST_CHARACTERS).collect();
        watch.calls.push(OutwardCall { kind, to, provoked: number >= quiet_lines, name, text });
    }
}

/// The name of the call in a line, and what stands behind it. One that another thread interrupted comes in two lines,
/// of which the second begins with `<... NAME resumed>`.
fn call(line: &str) -> (&str, &str) {
    let line = line.trim_start_matches(|letter: char| letter.is_ascii_digit()).trim_start();
    if let Some(resumed) = line.strip_prefix("<... ") {
        let name = resumed.split(' ').next().unwrap_or_default();
        return (name, "");
    }
    line.split_once('(').unwrap_or(("", ""))
}

/// The descriptor that a call gave.
fn returned(line: &str) -> Option<i64> {
    let value = line.rsplit_once(" = ")?.1;
    value.split(' ').next()?.parse().ok().filter(|value| *value >= 0)
}

fn outward(
    name: &str,
    arguments: &str,
    leads_to: &mut BTreeMap<i64, String>,
) -> Option<(OutwardKind, String)> {
    let descriptor = arguments.split(',').next().and_then(|word| word.trim().parse::<i64>().ok());
    let address = address(arguments);
    match name {
        "connect" => {
            if let Some(to) = address {
                leads_to.insert(descriptor?, to.clone());
                return Some((OutwardKind::Connect, to));
            }
            let path = arguments.split("sun_path=").nth(1)?.split('"').nth(1)?;
            let service = NAME_SERVICES.iter().any(|known| path.contains(known));
            service.then(|| (OutwardKind::NameService, path.to_owned()))
        }
        "sendto" | "sendmsg" | "sendmmsg" | "write" | "writev" => match address {
            Some(to) if name.starts_with("send") => Some((OutwardKind::Send, to)),
            _ => leads_to.get(&descriptor?).map(|to| (OutwardKind::Write, to.clone())),
        },
        "socket" => {
            let raw = arguments.contains("SOCK_RAW") && !arguments.contains("AF_NETLINK");
            (raw || arguments.contains("AF_PACKET")).then(|| (OutwardKind::Unseen, "a raw socket".to_owned()))
        }
        "io_uring_setup" if !arguments.is_empty() => {
            Some((OutwardKind::Unseen, "a ring of io_uring".to_owned()))
        }
        _ => None,
    }
}

/// The address of IP in a call's arguments. The library looks for a route by connecting a datagram socket to port 0,
/// which sends nothing and reaches nobody.
fn address(arguments: &str) -> Option<String> {
    // What is sent may look like an address itself; the real one stands behind it, after the last quote of the data.
    let at = arguments.rfind("sa_family=AF_INET")?;
    let rest = &arguments[at..];
    let port = rest.split("_port=htons(").nth(1)?.split(')').next()?;
    let host = rest.split(['"']).nth(1)?;
    (port != "0")
        .then(|| if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

/// Whether the first label of a name stands in what was sent. In a question for a name, labels stand one by one.
fn tells(arguments: &str, name: &str) -> bool {
    let label = name.split('.').next().unwrap_or(name);
    arguments.to_ascii_lowercase().contains(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(log: &str) -> Watch {
        let mut watch = Watch { names: vec!["bait-1.wallflower.test".to_owned()], ..Watch::default() };
        read_log(log, 3, &mut watch);
        watch
    }

    #[test]
    fn answers_to_callers_are_no_outward_calls_and_what_is_connected_or_sent_is() {
        let watch = read(
            r#"7 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP) = 9
7 accept4(9, {sa_family=AF_INET, sin_port=htons(40001), sin_addr=inet_addr("127.0.0.1")}, [128 => 16], SOCK_CLOEXEC) = 10
8 sendto(10, "HTTP/1.1 200 OK bait-1 sa_family=AF_INET", 40, MSG_NOSIGNAL, NULL, 0) = 40
8 connect(11, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.64.0.1")}, 16 <unfinished ...>
8 <... connect resumed>) = -1 EINPROGRESS (Operation now in progress)
8 connect(12, {sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr("127.64.0.1")}, 16) = 0
8 connect(12, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1 ENOENT (No such file or directory)
8 connect(12, {sa_family=AF_UNIX, sun_path="/run/systemd/resolve/io.systemd.Resolve"}, 110) = 0
8 sendto(13, "x", 1, 0, {sa_family=AF_INET6, sin6_port=htons(53), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}, 28) = 1
8 socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE) = 14
8 socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)) = -1 EPERM (Operation not permitted)
8 socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)) = 15
8 write(10, "bait-1 again", 12) = 12"#,
        );
        let kinds: Vec<_> =
            watch.calls.iter().map(|call| (call.kind, call.to.as_str(), call.provoked)).collect();
        assert_eq!(
            kinds,
            [
                (OutwardKind::Connect, "127.64.0.1:80", true),
                (OutwardKind::NameService, "/run/systemd/resolve/io.systemd.Resolve", true),
                (OutwardKind::Send, "[::1]:53", true),
                (OutwardKind::Unseen, "a raw socket", true),
            ]
        );
        assert_eq!(watch.accepted, 1);
        assert!(watch.calls.iter().all(|call| call.name.is_none()), "{watch:?}");
    }

    #[test]
    fn a_question_for_a_declared_name_is_seen_on_what_the_process_connected_and_nowhere_else() {
        let watch = read(
            r#"7 connect(5, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.1")}, 16) = 0
7 sendmmsg(5, [{msg_hdr={msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base="\302\1\0\1\0\0\6bait-1\nwallflower\4test", iov_len=40}]}}], 2, MSG_NOSIGNAL) = 2
7 <... accept4 resumed>{sa_family=AF_INET, sin_port=htons(4), sin_addr=inet_addr("127.0.0.1")}, [128 => 16], 0) = 5
7 write(5, "bait-1", 6) = 6"#,
        );
        let told: Vec<_> = watch.calls.iter().map(|call| (call.kind, call.name.as_deref())).collect();
        assert_eq!(
            told,
            [(OutwardKind::Connect, None), (OutwardKind::Write, Some("bait-1.wallflower.test"))]
        );
    }
}
