//! Calls over real sockets of this machine, against a server that does what each test needs.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use super::*;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

/// How long a test waits for what must come; a starved machine needs its time.
const PATIENCE_US: u64 = 60_000_000;

/// A server whose connections are each served by `serve`, one after the other, with the number of each.
fn server(connections: usize, serve: fn(usize, TcpStream)) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        for number in 0..connections {
            serve(number, listener.accept().unwrap().0);
        }
    });
    (address, thread)
}

/// Reads a request without a body; false at the end of the connection.
fn take_request(stream: &mut TcpStream) -> bool {
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while !seen.ends_with(b"\r\n\r\n") {
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return false;
        }
        seen.push(byte[0]);
    }
    true
}

fn answer_all(_: usize, mut stream: TcpStream) {
    while take_request(&mut stream) {
        stream.write_all(ANSWER).unwrap();
    }
}

fn network(routes: Vec<SocketAddr>) -> Network<u32> {
    Network::new(Common::new("test", "", None), routes, 0).unwrap()
}

fn send(network: &mut Network<u32>, clock: Clock, owner: Option<u32>, number: u32, timeout_us: u64) {
    let request = WireRequest::bare("GET", "/");
    let order = Order { route: 0, owner, request: &request, extra: b"", timeout_us };
    network.send(&order, number, clock.now_us());
}

/// Waits for the next call to end.
fn wait(network: &mut Network<u32>, clock: Clock) -> Ended<u32> {
    loop {
        if let Some(ended) = network.ended() {
            return ended;
        }
        assert!(clock.now_us() < PATIENCE_US, "it never ended");
        network.turn(clock, clock.now_us() + 50_000).unwrap();
    }
}

fn body(ended: &Ended<u32>) -> &[u8] {
    &ended.result.as_ref().unwrap().body
}

#[test]
fn shared_connections_are_used_again_and_answers_find_their_calls() {
    let (address, thread) = server(1, answer_all);
    let (clock, mut network) = (Clock::start(), network(vec![address]));
    for number in 0..5 {
        send(&mut network, clock, None, number, PATIENCE_US);
        assert_eq!((network.in_flight(), network.in_flight_shared()), (1, 1));
        let ended = wait(&mut network, clock);
        assert_eq!((ended.flight, body(&ended)), (number, b"hi".as_slice()));
    }
    assert_eq!((network.in_flight(), network.peak_own()), (0, 0));
    drop(network);
    // It accepted a single connection, which is closed.
    thread.join().unwrap();
}

#[test]
fn an_agents_own_connection_is_its_alone_and_ends_with_it() {
    let (address, thread) = server(2, answer_all);
    let (clock, mut network) = (Clock::start(), network(vec![address]));
    for _ in 0..2 {
        send(&mut network, clock, Some(7), 1, PATIENCE_US);
        assert!(!network.has_own(7) && network.in_flight_shared() == 0);
        wait(&mut network, clock);
        assert!(network.has_own(7));
    }
    assert_eq!(network.peak_own(), 1);
    network.release(7);
    send(&mut network, clock, Some(8), 2, PATIENCE_US);
    wait(&mut network, clock);
    assert_eq!(network.peak_own(), 1);
    drop(network);
    thread.join().unwrap();
}

#[test]
fn an_idle_connection_that_the_server_closed_is_replaced() {
    // Each connection is closed behind its first answer, which did not say so.
    let (address, thread) = server(3, |_, mut stream| {
        assert!(take_request(&mut stream));
        stream.write_all(ANSWER).unwrap();
    });
    let (clock, mut network) = (Clock::start(), network(vec![address]));
    for number in 0..3 {
        send(&mut network, clock, None, number, PATIENCE_US);
        assert_eq!(body(&wait(&mut network, clock)), b"hi");
        while network.connections.iter().any(Option::is_some) {
            network.turn(clock, clock.now_us() + 50_000).unwrap();
        }
    }
    thread.join().unwrap();
}

#[test]
fn a_connection_cut_after_the_request_is_a_failure_and_nothing_is_sent_twice() {
    let (address, thread) = server(1, |_, mut stream| {
        assert!(take_request(&mut stream));
        stream.write_all(ANSWER).unwrap();
        assert!(take_request(&mut stream));
        stream.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
    });
    let (clock, mut network) = (Clock::start(), network(vec![address]));
    send(&mut network, clock, None, 0, PATIENCE_US);
    wait(&mut network, clock);
    send(&mut network, clock, None, 1, PATIENCE_US);
    let ended = wait(&mut network, clock);
    assert!(matches!(&ended.result, Err(Fault::Failed(cause)) if cause.contains("closed")), "{ended:?}");
    thread.join().unwrap();
}

#[test]
fn nobody_listening_means_that_nothing_was_sent() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (clock, mut network) = (Clock::start(), network(vec![free]));
    send(&mut network, clock, None, 0, PATIENCE_US);
    let ended = wait(&mut network, clock);
    assert!(
        matches!(&ended.result, Err(Fault::NotSent(cause)) if cause.contains("(os error 111)")),
        "{ended:?}"
    );
    assert_eq!((network.in_flight(), network.in_flight_shared()), (0, 0));
}

#[test]
fn a_call_without_an_answer_is_given_up_in_its_own_time_and_its_connection_with_it() {
    let (address, thread) = server(2, |number, mut stream| {
        assert!(take_request(&mut stream));
        if number == 1 {
            stream.write_all(ANSWER).unwrap();
        }
        // Until the other side has had enough.
        let _ = stream.read(&mut [0]);
    });
    let (clock, mut network) = (Clock::start(), network(vec![address]));
    let begun_us = clock.now_us();
    send(&mut network, clock, None, 0, 30_000);
    let ended = wait(&mut network, clock);
    assert_eq!(ended.result, Err(Fault::TimedOut));
    assert!(ended.e_us >= begun_us + 30_000);
    send(&mut network, clock, None, 1, PATIENCE_US);
    assert_eq!(body(&wait(&mut network, clock)), b"hi");
    drop(network);
    thread.join().unwrap();
}

#[test]
fn what_is_cut_off_comes_back_and_a_wait_never_ends_early_without_cause() {
    let (address, _thread) = server(1, |_, mut stream| drop(stream.read(&mut [0; 1_000])));
    let (clock, mut network) = (Clock::start(), network(vec![address]));
    let until_us = clock.now_us() + 3_300;
    while clock.now_us() < until_us {
        network.turn(clock, until_us).unwrap();
    }
    send(&mut network, clock, None, 5, PATIENCE_US);
    assert_eq!((network.cut_off(), network.in_flight()), (vec![5], 0));
}

#[test]
fn own_connections_go_out_from_as_many_addresses_of_this_machine_as_they_need() {
    let here = IpAddr::from(Ipv4Addr::LOCALHOST);
    let last_byte = |owner, sources| source_of(owner, sources, here).map(|address| address.octets()[3]);
    let table = [(0, 0, 1), (7_999, 0, 1), (8_000, 0, 2), (16_000, 0, 3), (5, 3, 3), (6, 3, 1)];
    for (owner, sources, expected) in table {
        assert_eq!(last_byte(owner, sources), Some(expected), "{owner} over {sources}");
    }
    assert_eq!(source_of(9_000, 0, IpAddr::from([192, 0, 2, 1])), None);
}
