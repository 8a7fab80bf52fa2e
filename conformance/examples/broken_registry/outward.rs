//! Faults that turn to somebody because of what an agent has declared.

use std::net::UdpSocket;

use serde_json::Value;
use tokio::net::{TcpStream, lookup_host};

/// Nobody listens at this address, so that no canary hears of it.
const NOBODY: &str = "127.0.0.1:9";

/// What the fault does with a registration.
pub(crate) fn use_what_is_declared(fault: &str, body: &Value) {
    let host = |url: &Value| Some(url.as_str()?.split("://").nth(1)?.split('/').next()?.to_owned());
    match fault {
        "calls-webhooks" => {
            if let Some(address) = host(&body["metadata"]["webhook"]) {
                tokio::spawn(async move { TcpStream::connect(address).await.map(drop) });
            }
        }
        "sends-datagrams" => {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
            socket.send_to(b"somebody came", NOBODY).expect("it is sent, whoever hears it");
        }
        "is-refused" => drop(tokio::spawn(async { TcpStream::connect(NOBODY).await.map(drop) })),
        "asks-for-names" => {
            if let Some(name) = body["metadata"]["host"].as_str().map(str::to_owned) {
                tokio::spawn(async move { lookup_host((name, 80)).await.map(drop) });
            }
        }
        "resolves-names" => {
            let name = host(&body["endpoint"]).and_then(|host| Some(host.split(':').next()?.to_owned()));
            if let Some(name) = name.filter(|name| name.ends_with(char::is_alphabetic)) {
                ask_for(&name);
            }
        }
        _ => {}
    }
}

/// A question for the address of a name, as the library of C sends it, wherever this machine's resolver is.
fn ask_for(name: &str) {
    let mut question = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(u8::try_from(label.len()).expect("a label is short"));
        question.extend_from_slice(label.as_bytes());
    }
    question.extend_from_slice(&[0, 0, 1, 0, 1]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    socket.connect("127.0.0.1:53").expect("nothing is sent yet");
    socket.send(&question).expect("it is sent, whoever hears it");
}
