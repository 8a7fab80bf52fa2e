//! Requests as bytes, and how their answers are told to be right.

use std::cell::RefCell;
use std::io::Write as _;
use std::rc::Rc;

use crate::client::Kind;

/// Writes a request with a JSON body.
pub(crate) fn post(out: &mut Vec<u8>, path: &str, headers: &str, body: &str) {
    let length = body.len();
    // Writing into memory cannot fail.
    let _ = write!(
        out,
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
}

/// Writes a request without a body.
pub(crate) fn bare(out: &mut Vec<u8>, method: &str, path: &str, headers: &str) {
    let _ = write!(out, "{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
}

/// The request as bytes of its own.
pub(crate) fn get(path: &str, headers: &str) -> Vec<u8> {
    let mut request = Vec::new();
    bare(&mut request, "GET", path, headers);
    request
}

/// A full heartbeat of some 600 bytes: three capabilities, two dependencies that nobody provides.
pub(crate) fn full(agent_id: &str, agent_type: &str, version: &str) -> String {
    let capability = |name: &str| {
        format!(
            r#"{{"name":"{name}","version":"{version}","tags":["fast","eu"],"description":"looks things up in a table"}}"#
        )
    };
    let dependency = r#"{"capability":"nobody.has","version":">=1.2, <2","tags":["eu"]}"#;
    format!(
        r#"{{"agent_id":"{agent_id}","agent_type":"{agent_type}","endpoint":"http://10.0.0.3:9000/mcp","capabilities":[{},{},{}],"dependencies":[{dependency},{}],"labels":{{"zone":"a"}},"metadata":{{"build":"20260102"}}}}"#,
        capability("geo.lookup"),
        capability("geo.route"),
        capability("text.index"),
        dependency.replace("nobody", "no-one"),
    )
}

/// A full heartbeat of some 400 bytes: what a registration weighs.
pub(crate) fn registration(agent_id: &str) -> String {
    format!(
        r#"{{"agent_id":"{agent_id}","endpoint":"http://10.0.0.3:9000/mcp","capabilities":[{{"name":"geo.lookup","version":"1.4.0","tags":["fast","eu"],"description":"looks places up in a table"}},{{"name":"geo.route","version":"1.4.0","tags":["fast","eu"],"description":"finds ways between places"}}],"dependencies":[{{"capability":"nobody.has","version":">=1.2, <2"}}],"labels":{{"zone":"a"}}}}"#
    )
}

/// Registers `agent-0` and so on with the full document, all of one type; the wiring revisions that the answers name end
/// up in the list, each at its agent's place.
pub(crate) fn registering(agent_type: &'static str, agents: usize) -> (Rc<Kind>, Rc<RefCell<Vec<u64>>>) {
    let wiring = Rc::new(RefCell::new(vec![0; agents]));
    let told = Rc::clone(&wiring);
    let kind = Kind::new(
        "a registration",
        move |number, out| post(out, "/heartbeat", "", &full(&agent(number), agent_type, "1.0.0")),
        move |number, answer| {
            if let (Some(revision), Some(place)) =
                (answer.number("\"wiring_revision\":"), told.borrow_mut().get_mut(number))
            {
                *place = revision;
            }
            answer.says(200, "\"result\":\"registered\"")
        },
    );
    (kind, wiring)
}

/// Lean heartbeats of all agents in turn.
pub(crate) fn lean(wiring: Rc<Vec<u64>>) -> Rc<Kind> {
    Kind::new(
        "a lean heartbeat",
        move |number, out| {
            let id = number % wiring.len();
            let revision = wiring.get(id).copied().unwrap_or_default();
            post(
                out,
                "/heartbeat",
                "",
                &format!("{{\"agent_id\":\"{}\",\"wiring_revision\":{revision}}}", agent(id)),
            );
        },
        |_, answer| answer.says(200, "\"result\":\"renewed\""),
    )
}

pub(crate) fn agent(number: usize) -> String {
    format!("agent-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_weigh_what_they_are_said_to_weigh() {
        let weighs =
            |text: &str| serde_json::from_str::<serde_json::Value>(text).map(|_| text.len()).unwrap();
        assert!((550..=750).contains(&weighs(&full("agent-12345", "default", "1.0.0"))));
        assert!((370..=450).contains(&weighs(&registration("new-123456"))));
    }
}
