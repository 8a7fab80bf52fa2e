//! An unchanged list of 10,000 agents, plain and gzip, beside nginx that serves the same bytes as files.

use std::path::Path;
use std::rc::Rc;

use super::calls::{SENDER, compared, of_sender};
use crate::bench::{Bench, register};
use crate::client::{Kind, Pool};
use crate::requests::bare;
use crate::row::{Goal, Line, Row};
use crate::server::{Server, found, free_port};
use crate::trouble::Trouble;

pub(super) const LINES: [Line; 2] = [
    Line {
        id: "list",
        what: "unchanged list of 10,000 agents, beside nginx with the same bytes as a file",
        unit: "us",
        goal: Goal::times_the_cost(1.3),
    },
    Line {
        id: "list-gzip",
        what: "the same list as gzip, beside nginx with the compressed file",
        unit: "us",
        goal: Goal::times_the_cost(1.3),
    },
];

/// As many as a page holds at most.
const AGENTS: usize = 10_000;
const PATH: &str = "/agents?limit=10000";
/// Megabytes each: a few keep the server's core full.
const CONNECTIONS: usize = 8;
const CALLS: [usize; 2] = [160, 1_600];

pub(super) async fn measure(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), Trouble> {
    let nginx = found("nginx").ok_or("there is no nginx; `apt-get install nginx-light` brings it")?;
    let folder = bench.folder("lists")?;
    let registry = bench.registry(&folder).await?;
    register(&registry, AGENTS).await?;
    let (status, plain, _) = registry.get(PATH, "").await?;
    let listed: serde_json::Value = serde_json::from_slice(&plain)?;
    if status != 200 || listed["agents"].as_array().map(Vec::len) != Some(AGENTS) {
        return Err("a page does not hold 10,000 agents".into());
    }
    let headers = ["", "accept-encoding: gzip\r\n"];
    let (_, zipped, _) = registry.get(PATH, headers[1]).await?;
    if !zipped.starts_with(&[0x1f, 0x8b]) {
        return Err("the list does not come as gzip".into());
    }
    let files = folder.join("files");
    std::fs::create_dir_all(&files)?;
    std::fs::write(files.join("agents.json"), &plain)?;
    std::fs::write(files.join("agents.json.gz"), &zipped)?;
    let yardstick = start_nginx(bench, &nginx, &folder).await?;
    for (((line, header), bytes), calls) in LINES.iter().zip(headers).zip([plain, zipped]).zip(CALLS) {
        if !bench.wants(line) {
            continue;
        }
        let (_, served, _) = yardstick.get("/agents.json", header).await?;
        if served != bytes {
            return Err("nginx does not serve the bytes of the list".into());
        }
        let length = bytes.len();
        let asking = |path: &'static str| {
            let kind = Kind::new(
                "a list",
                move |_, out| bare(out, "GET", path, header),
                move |_, answer| answer.status == 200 && answer.body.len() == length,
            );
            Rc::clone(&kind)
        };
        let (of_ours, of_nginx) = (asking(PATH), asking("/agents.json"));
        let mut ours = Pool::new(registry.address, CONNECTIONS);
        let mut theirs = Pool::new(yardstick.address, CONNECTIONS);
        let both = [&of_ours, &of_nginx];
        let rounds = compared(bench, calls, both, (&registry, &mut ours), (&yardstick, &mut theirs)).await;
        let bound = of_sender(bench, calls, both, (length, CONNECTIONS), (&yardstick, &mut theirs)).await;
        let row = Row::of(*line, rounds).noting(format!("{length} bytes an answer"));
        rows.push(row.bounded(SENDER, bound));
    }
    Ok(())
}

/// One process, the files from the page cache by sendfile.
async fn start_nginx(bench: &Bench, nginx: &Path, folder: &Path) -> Result<Server, Trouble> {
    let port = free_port()?;
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path {};\n", folder.join(kind).display()))
        .concat();
    let configuration = format!(
        "daemon off;\nmaster_process off;\npid {pid};\nerror_log stderr;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n{temporary}  access_log off;\n  sendfile on;\n  tcp_nopush on;\n  keepalive_requests 1000000;\n  \
         keepalive_timeout 300s;\n  gzip_static on;\n  default_type application/json;\n  \
         server {{ listen 127.0.0.1:{port}; root {files}; }}\n}}\n",
        pid = folder.join("nginx.pid").display(),
        files = folder.join("files").display(),
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, configuration)?;
    let program = bench.program(nginx, folder).args(["-p"]).args([folder]).args(["-c"]).args([&file]);
    program.ready(port, "/agents.json").await
}
