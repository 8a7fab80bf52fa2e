//! The bad network over real sockets. What must not happen before an instant is judged by the clock of the test; how
//! long something takes beyond that is nobody's fault and not judged.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use agent_sim::clock::Clock;
use agent_sim::proxy::Proxy;
use proptest::prelude::*;
use scenarios::model::BadNetwork;

/// What a server saw on one connection, and when.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Connection(u64),
    Bytes(u64, Vec<u8>),
    End(u64),
}

impl Seen {
    fn at_us(&self) -> u64 {
        match self {
            Self::Connection(at_us) | Self::Bytes(at_us, _) | Self::End(at_us) => *at_us,
        }
    }
}

/// A proxy before a server that tells what it sees and sends everything back.
struct Line {
    proxy: Proxy,
    seen: Receiver<Seen>,
    clock: Clock,
}

impl Line {
    fn start() -> Self {
        let clock = Clock::start();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap(), clock).unwrap();
        let (tell, seen) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, tell) = (stream.unwrap(), tell.clone());
                std::thread::spawn(move || {
                    let mut buffer = vec![0; 65_536];
                    let mut gone = tell.send(Seen::Connection(clock.now_us())).is_err();
                    while !gone {
                        let count = stream.read(&mut buffer).unwrap_or(0);
                        if count == 0 {
                            let _ = tell.send(Seen::End(clock.now_us()));
                            return;
                        }
                        gone = tell.send(Seen::Bytes(clock.now_us(), buffer[..count].to_vec())).is_err()
                            || stream.write_all(&buffer[..count]).is_err();
                    }
                });
            }
        });
        Self { proxy, seen, clock }
    }

    fn call(&self) -> TcpStream {
        TcpStream::connect(self.proxy.handle().address()).unwrap()
    }

    /// A connection that has passed something already.
    fn warm_call(&self) -> TcpStream {
        let mut caller = self.call();
        caller.write_all(b"x").unwrap();
        caller.read_exact(&mut [0]).unwrap();
        assert!(matches!(self.next(), Seen::Connection(_)));
        assert!(matches!(self.next(), Seen::Bytes(_, bytes) if bytes == b"x"));
        caller
    }

    fn next(&self) -> Seen {
        self.seen.recv().unwrap()
    }

    /// Gives a network that lets something through the time to do so, then heals it; tells when that was.
    fn heal_later(&self) -> u64 {
        std::thread::sleep(Duration::from_millis(50));
        let healed_us = self.clock.now_us();
        self.proxy.handle().switch(None);
        healed_us
    }
}

#[test]
fn a_cut_swallows_what_is_sent_and_it_comes_after_the_healing() {
    let line = Line::start();
    let mut caller = line.warm_call();
    line.proxy.handle().switch(Some(BadNetwork::Cut));
    caller.write_all(b"hello").unwrap();
    let healed_us = line.heal_later();
    let Seen::Bytes(at_us, bytes) = line.next() else { panic!("no bytes") };
    assert!(at_us >= healed_us, "seen at {at_us}, healed at {healed_us}");
    assert_eq!(bytes, b"hello");
    let mut answer = [0; 5];
    caller.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
}

#[test]
fn a_cut_swallows_answers_too() {
    let clock = Clock::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap(), clock).unwrap();
    let mut caller = TcpStream::connect(proxy.handle().address()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"1").unwrap();
    caller.read_exact(&mut [0]).unwrap();
    proxy.handle().switch(Some(BadNetwork::Cut));
    server.write_all(b"2").unwrap();
    let reader = std::thread::spawn(move || caller.read_exact(&mut [0]).map(|()| clock.now_us()));
    std::thread::sleep(Duration::from_millis(50));
    let healed_us = clock.now_us();
    proxy.handle().switch(None);
    assert!(reader.join().unwrap().unwrap() >= healed_us);
}

#[test]
fn a_new_connection_hangs_in_a_cut_and_reaches_the_registry_after_it() {
    let line = Line::start();
    line.proxy.handle().switch(Some(BadNetwork::Cut));
    let mut caller = line.call();
    caller.write_all(b"hello").unwrap();
    let healed_us = line.heal_later();
    let seen = [line.next(), line.next()];
    assert!(seen.iter().all(|seen| seen.at_us() >= healed_us), "{seen:?}, healed at {healed_us}");
}

#[test]
fn nothing_of_a_call_that_was_given_up_in_a_cut_arrives_later() {
    let line = Line::start();
    let mut known = line.warm_call();
    line.proxy.handle().switch(Some(BadNetwork::Cut));
    let mut unknown = line.call();
    for caller in [&mut known, &mut unknown] {
        caller.write_all(b"too late").unwrap();
    }
    drop((known, unknown));
    let healed_us = line.heal_later();
    // The connection that the registry knows ends, with nothing before; of the other it never hears.
    let seen = line.next();
    assert!(matches!(seen, Seen::End(at_us) if at_us >= healed_us), "{seen:?}, healed at {healed_us}");
    let _probe = line.warm_call();
    assert!(line.seen.try_recv().is_err());
}

#[test]
fn a_delay_holds_every_byte_back_each_way_and_keeps_their_order() {
    let line = Line::start();
    let mut caller = line.warm_call();
    let by = Duration::from_millis(40);
    line.proxy.handle().switch(Some(BadNetwork::Delay { by }));
    let mut sent = Vec::new();
    for number in 0..10_u8 {
        sent.push(line.clock.now_us());
        caller.write_all(&[number]).unwrap();
        std::thread::sleep(Duration::from_millis(3));
    }
    caller.shutdown(Shutdown::Write).unwrap();
    let mut arrived = Vec::new();
    while arrived.len() < sent.len() {
        let Seen::Bytes(at_us, bytes) = line.next() else { panic!("no bytes") };
        arrived.extend(bytes.into_iter().map(|byte| (byte, at_us)));
    }
    assert!(arrived.iter().map(|(byte, _)| *byte).eq(0..10), "{arrived:?}");
    let mut back = Vec::new();
    let mut buffer = [0; 16];
    loop {
        let count = caller.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        back.extend(buffer[..count].iter().map(|byte| (*byte, line.clock.now_us())));
    }
    assert!(back.iter().map(|(byte, _)| *byte).eq(0..10), "{back:?}");
    for ((sent_us, (_, arrived_us)), (_, back_us)) in sent.iter().zip(&arrived).zip(&back) {
        assert!(arrived_us - sent_us >= 40_000, "there after {} us", arrived_us - sent_us);
        // The server answers what it has read before it tells of it, or after: it read no later than it told.
        assert!(back_us - sent_us >= 80_000, "back after {} us", back_us - sent_us);
    }
}

#[test]
fn a_trickle_is_never_faster_than_its_rate_from_its_first_byte_on() {
    let line = Line::start();
    let mut caller = line.warm_call();
    let bytes_per_second = 20_000;
    let from_us = line.clock.now_us();
    line.proxy.handle().switch(Some(BadNetwork::Trickle { bytes_per_second }));
    caller.write_all(&[7; 5_000]).unwrap();
    let mut count = 0_u64;
    while count < 5_000 {
        let Seen::Bytes(at_us, bytes) = line.next() else { panic!("no bytes") };
        count += u64::try_from(bytes.len()).unwrap();
        let most = (at_us - from_us) * u64::from(bytes_per_second) / 1_000_000;
        assert!(count <= most, "{count} bytes after {} us, at most {most}", at_us - from_us);
    }
}

#[test]
fn the_registry_that_is_away_closes_the_connection_of_its_caller() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = Proxy::start(nobody, Clock::start()).unwrap();
    let mut caller = TcpStream::connect(proxy.handle().address()).unwrap();
    // A reset or an end: no answer either way.
    assert_eq!(caller.read(&mut [0; 8]).unwrap_or(0), 0);
}

#[test]
fn connections_end_with_the_proxy() {
    let Line { proxy, seen, clock: _ } = Line::start();
    let mut caller = TcpStream::connect(proxy.handle().address()).unwrap();
    assert!(matches!(seen.recv().unwrap(), Seen::Connection(_)));
    drop(proxy);
    assert_eq!(caller.read(&mut [0; 8]).unwrap_or(0), 0);
}

/// Sends all of it in pieces of these sizes and reads all of it back.
fn there_and_back(line: &Line, bytes: &[u8], pieces: &[usize]) -> Vec<u8> {
    let mut caller = line.call();
    let mut writer = caller.try_clone().unwrap();
    let (bytes, pieces) = (bytes.to_vec(), pieces.to_vec());
    let writing = std::thread::spawn(move || {
        let mut rest = bytes.as_slice();
        for size in pieces.iter().copied().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(size.min(rest.len()));
            writer.write_all(piece).unwrap();
            rest = after;
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut back = Vec::new();
    caller.read_to_end(&mut back).unwrap();
    writing.join().unwrap();
    back
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn bytes_are_unchanged_in_any_network_that_passes_them(
        length in 0_usize..300_000,
        pieces in proptest::collection::vec(1_usize..40_000, 1..6),
        seed in any::<u8>(),
        bad in prop_oneof![
            Just(None),
            Just(Some(BadNetwork::Delay { by: Duration::from_millis(2) })),
            Just(Some(BadNetwork::Trickle { bytes_per_second: 200_000_000 })),
        ],
    ) {
        let line = Line::start();
        line.proxy.handle().switch(bad);
        let bytes: Vec<u8> = (0..length).map(|index| (index % 251) as u8 ^ seed).collect();
        let back = there_and_back(&line, &bytes, &pieces);
        prop_assert!(back == bytes, "{} bytes became {}", bytes.len(), back.len());
    }
}
