//! The kernel's counters of a network namespace, as `/proc/net/snmp` and `/proc/net/snmp6` have them; pure.

use reports::history::Counts;

/// The kernel's part of [`Counts`]. Of what is missing nothing was counted: a machine without IPv6 has no `snmp6`.
///
/// # Errors
/// When `snmp` has no counters of TCP, so that nothing at all is known.
pub(super) fn read(snmp: &str, snmp6: &str) -> Result<Counts, String> {
    let four = |protocol: &str, name: &str| in_snmp(snmp, protocol, name).unwrap_or_default();
    let six = |name: &str| in_snmp6(snmp6, name).unwrap_or_default();
    let opened = in_snmp(snmp, "Tcp:", "ActiveOpens").ok_or("/proc/net/snmp has no `Tcp: ActiveOpens`")?;
    Ok(Counts {
        opened,
        accepted: four("Tcp:", "PassiveOpens"),
        datagrams: four("Udp:", "OutDatagrams")
            + four("UdpLite:", "OutDatagrams")
            + six("Udp6OutDatagrams")
            + six("UdpLite6OutDatagrams"),
        unrouted: four("Ip:", "OutNoRoutes") + six("Ip6OutNoRoutes"),
        echoes: four("Icmp:", "OutEchos") + six("Icmp6OutEchos"),
        ..Counts::default()
    })
}

/// What was counted since `before`.
pub(super) fn since(before: &Counts, now: &Counts) -> Counts {
    Counts {
        opened: now.opened.saturating_sub(before.opened),
        accepted: now.accepted.saturating_sub(before.accepted),
        datagrams: now.datagrams.saturating_sub(before.datagrams),
        unrouted: now.unrouted.saturating_sub(before.unrouted),
        echoes: now.echoes.saturating_sub(before.echoes),
        ..*now
    }
}

/// Names stand in one line, their values in the next, both behind the protocol.
fn in_snmp(text: &str, protocol: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(protocol));
    let (names, values) = (lines.next()?, lines.next()?);
    let at = names.split_whitespace().position(|known| known == name)?;
    values.split_whitespace().nth(at)?.parse().ok()
}

fn in_snmp6(text: &str, name: &str) -> Option<u64> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(char::is_whitespace));
    pairs.find(|(known, _)| *known == name)?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_their_names_and_nothing_is_not_zero() {
        let snmp = "Ip: Forwarding OutNoRoutes\nIp: 2 3\nIcmp: OutEchos InMsgs\nIcmp: 4 9\n\
                    Tcp: RtoMin ActiveOpens PassiveOpens\nTcp: 200 7 5\nUdp: InDatagrams OutDatagrams\nUdp: 1 6\n";
        let snmp6 = "Ip6OutNoRoutes                  \t10\nUdp6OutDatagrams                \t20\nIcmp6OutEchos \t30\n";
        let counts = read(snmp, snmp6).unwrap();
        let expected =
            Counts { opened: 7, accepted: 5, datagrams: 26, unrouted: 13, echoes: 34, ..Counts::default() };
        assert_eq!(counts, expected);
        assert_eq!(read(snmp, "").unwrap().datagrams, 6);
        assert!(read("Ip: Forwarding\nIp: 2\n", snmp6).unwrap_err().contains("ActiveOpens"));
        let later = Counts { opened: 9, relay_opened: 2, ..counts };
        let gone_by = since(&counts, &later);
        assert_eq!((gone_by.opened, gone_by.relay_opened, gone_by.accepted), (2, 2, 0));
    }
}
