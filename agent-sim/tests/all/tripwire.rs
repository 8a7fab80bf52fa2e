//! Real calls to the addresses that agents declare.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use agent_sim::clock::Clock;
use agent_sim::tripwire::Tripwire;
use reports::history::Touch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// Calls by TCP, says something and waits until it is hung up on; gives the caller's address.
async fn call(to: SocketAddr, words: &[u8]) -> SocketAddr {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(words).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.is_empty(), "a tripwire says nothing");
    stream.local_addr().unwrap()
}

async fn datagram(to: SocketAddr, words: &[u8]) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.send_to(words, to).await.unwrap();
    socket.local_addr().unwrap()
}

#[tokio::test]
async fn a_call_by_tcp_or_udp_names_the_agent_whose_address_it_was() {
    let clock = Clock::start();
    let tripwire = Tripwire::open(clock).await.unwrap();
    let first = tripwire.assign(0, "first");
    let last = tripwire.assign((1 << 22) - 1, "last");
    assert_eq!(first.ip(), Ipv4Addr::new(127, 64, 0, 0));
    assert_eq!(last.ip(), Ipv4Addr::new(127, 127, 255, 255));
    let before_us = clock.now_us();
    let callers = [call(first, b"GET /mcp HTTP/1.1\r\n").await, datagram(last, b"\0ping").await];
    assert!(tripwire.works().await);
    tripwire.settle().await;
    let expected = [
        ("first", "tcp", first, callers[0], "GET /mcp HTTP/1.1.."),
        ("last", "udp", last, callers[1], ".ping"),
    ];
    let mut touches = tripwire.take_touches();
    // The two sockets are heard side by side.
    touches.sort_by(|one, other| one.agent.cmp(&other.agent));
    assert_eq!(touches.len(), expected.len());
    for (touch, (agent, protocol, to, from, first_bytes)) in touches.iter().zip(expected) {
        assert!((before_us..=clock.now_us()).contains(&touch.at_us));
        let whole = Touch {
            agent: Some(agent.to_owned()),
            at_us: touch.at_us,
            protocol: protocol.to_owned(),
            address: to.to_string(),
            from: from.to_string(),
            first_bytes: first_bytes.to_owned(),
        };
        assert_eq!(*touch, whole);
    }
    assert_eq!(tripwire.touch_count(), 2);
    assert!(tripwire.take_touches().is_empty(), "each is given once");
}

#[tokio::test]
async fn a_call_to_an_address_that_nobody_has_counts_too_and_a_self_check_does_not() {
    let tripwire = Tripwire::open(Clock::start()).await.unwrap();
    for _ in 0..100 {
        assert!(tripwire.works().await);
    }
    assert_eq!(tripwire.touch_count(), 0);
    let port = tripwire.assign(1, "somebody").port();
    call(SocketAddr::from((Ipv4Addr::new(127, 64, 0, 2), port)), b"").await;
    datagram(SocketAddr::from((Ipv4Addr::new(127, 63, 255, 254), port)), b"self-check").await;
    assert!(tripwire.works().await);
    let touches = tripwire.take_touches();
    assert_eq!(touches.len(), 2);
    assert!(touches.iter().all(|touch| touch.agent.is_none()), "{touches:?}");
}

#[tokio::test]
async fn a_call_counts_although_it_says_nothing_and_stays() {
    let tripwire = Tripwire::open(Clock::start()).await.unwrap();
    let address = tripwire.assign(7, "quiet");
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert!(tripwire.works().await);
    assert_eq!(tripwire.touch_count(), 1);
    let mut answer = Vec::new();
    let hung_up = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
    assert!(hung_up.is_ok() && answer.is_empty(), "the caller is hung up on without a word");
}

#[tokio::test]
async fn touches_beyond_the_bound_are_counted_but_not_kept() {
    let tripwire = Tripwire::open(Clock::start()).await.unwrap();
    let address = tripwire.assign(3, "popular");
    for _ in 0..1_005 {
        drop(TcpStream::connect(address).await.unwrap());
    }
    assert!(tripwire.works().await);
    assert_eq!(tripwire.touch_count(), 1_005);
    assert_eq!(tripwire.take_touches().len(), 1_000);
}

#[tokio::test]
async fn nobody_listens_once_it_is_dropped() {
    let tripwire = Tripwire::open(Clock::start()).await.unwrap();
    let address = tripwire.assign(1, "gone");
    drop(tripwire);
    // The runtime drops the sockets as soon as it comes to the tasks that held them.
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), refused).await.is_ok());
}
