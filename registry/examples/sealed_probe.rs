//! A process to try the seal on: it serves HTTP from a SQLite file, seals itself, and then attempts on command what a
//! sealed process must not be able to do. `tests/seal.rs` drives it; by hand:
//!
//! ```text
//! sealed_probe MODE TCP_TARGET UDP_TARGET FOLDER [LEFT_OPEN...]
//! ```
//!
//! It prints `listening ADDRESS`, then `sealed: ...` (or `refused: ...` and exits with 3), then one line for each line
//! `ATTEMPT THREAD` on its standard input: `ok` or the name of the error. The end of the input or SIGTERM stops it.

#![allow(clippy::print_stdout, reason = "its output is how it answers")]

#[cfg(target_os = "linux")]
mod probe {
    use std::error::Error;
    use std::fs;
    use std::io::{self, BufRead, IoSlice, IoSliceMut, Write};
    use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::{Path, PathBuf};
    use std::process::{Command, ExitCode};
    use std::sync::{Arc, mpsc};
    use std::thread;

    use axum::Router;
    use axum::routing::get;
    use io_uring::IoUring;
    use nix::errno::Errno;
    use nix::sys::uio::{RemoteIoVec, process_vm_readv};
    use nix::unistd::Pid;
    use registry::seal::{SealMode, seal};
    use rustix::net::{AddressFamily, SendAncillaryBuffer, SendFlags, SocketType, ipproto};
    use rustix::process::PidfdGetfdFlags;
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};
    use tokio::signal::unix::{SignalKind, signal};

    /// `MSG_FASTOPEN`, for which rustix has no name.
    const FAST_OPEN: SendFlags = SendFlags::from_bits_retain(0x2000_0000);
    /// No process has this id: the kernel's limit is 2^22.
    const NO_PROCESS: i32 = i32::MAX;

    type Failure = Box<dyn Error + Send + Sync>;

    struct Probe {
        tcp: SocketAddrV4,
        udp: SocketAddr,
        folder: PathBuf,
        left: LeftOpen,
    }

    /// What was opened before sealing, by the names given on the command line.
    #[derive(Default)]
    struct LeftOpen {
        tcp: Option<OwnedFd>,
        bound_tcp: Option<OwnedFd>,
        connected_tcp: Option<TcpStream>,
        udp: Option<UdpSocket>,
        connected_udp: Option<UdpSocket>,
        ring: Option<IoUring>,
        unix: Option<UnixStream>,
        unix_pair: Option<(UnixStream, UnixStream)>,
        unix_listener: Option<UnixListener>,
        odd_thread: Option<thread::JoinHandle<Result<(), seccompiler::Error>>>,
    }

    impl LeftOpen {
        fn open(
            names: &[String],
            tcp: SocketAddrV4,
            udp: SocketAddr,
            folder: &Path,
        ) -> Result<Self, Failure> {
            let mut left = Self::default();
            for name in names {
                match name.as_str() {
                    "tcp" => left.tcp = Some(stream_socket(None)?),
                    "bound-tcp" => {
                        let socket = stream_socket(None)?;
                        rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
                        left.bound_tcp = Some(socket);
                    }
                    "connected-tcp" => left.connected_tcp = Some(TcpStream::connect(tcp)?),
                    "udp" => left.udp = Some(UdpSocket::bind("127.0.0.1:0")?),
                    "connected-udp" => {
                        let socket = UdpSocket::bind("127.0.0.1:0")?;
                        socket.connect(udp)?;
                        left.connected_udp = Some(socket);
                    }
                    "ring" => left.ring = Some(IoUring::new(4)?),
                    "unix" => left.unix = Some(UnixStream::connect(folder.join("server.sock"))?),
                    "unix-pair" => left.unix_pair = Some(UnixStream::pair()?),
                    "unix-listener" => {
                        left.unix_listener = Some(UnixListener::bind(folder.join("own.sock"))?)
                    }
                    "odd-thread" => left.odd_thread = Some(start_odd_thread()?),
                    other => return Err(format!("nothing called {other} can be left open").into()),
                }
            }
            Ok(left)
        }
    }

    pub(crate) fn main() -> Result<ExitCode, Failure> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let [mode, tcp, udp, folder, left @ ..] = arguments.as_slice() else {
            // What the attempt `run-a-child` runs: a child that connects.
            let [target] = arguments.as_slice() else { return Err("see the top of this file".into()) };
            TcpStream::connect(target)?;
            return Ok(ExitCode::SUCCESS);
        };
        let (tcp, udp, folder) = (tcp.parse()?, udp.parse()?, PathBuf::from(folder));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let left = LeftOpen::open(left, tcp, udp, &folder)?;
        runtime.block_on(run(mode.parse()?, Arc::new(Probe { tcp, udp, folder, left })))
    }

    async fn run(mode: SealMode, probe: Arc<Probe>) -> Result<ExitCode, Failure> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("listening {}", listener.local_addr()?);
        let pool = open_database(&probe.folder.join("before.db")).await?;
        let mut terminate = signal(SignalKind::terminate())?;
        let older_thread = start_older_thread(Arc::clone(&probe));
        let (send_line, mut lines) = tokio::sync::mpsc::channel(1);
        thread::spawn(move || {
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                if send_line.blocking_send(line).is_err() {
                    break;
                }
            }
        });

        match seal(mode) {
            Ok(sealed) => println!("sealed: {}", sealed.describe()),
            Err(error) => {
                println!("refused: {error}");
                return Ok(ExitCode::from(3));
            }
        }
        let server = tokio::spawn(async move { axum::serve(listener, router(pool)).await });
        loop {
            let line = tokio::select! {
                line = lines.recv() => line,
                _ = terminate.recv() => {
                    println!("terminated");
                    None
                }
            };
            let Some(line) = line else { break };
            println!("{}", answer(&line, &probe, &older_thread).await);
            io::stdout().flush()?;
        }
        server.abort();
        Ok(ExitCode::SUCCESS)
    }

    /// Every call writes a row and answers its number.
    fn router(pool: SqlitePool) -> Router {
        Router::new().route(
            "/",
            get(async move || {
                let row = sqlx::query("INSERT INTO calls DEFAULT VALUES").execute(&pool).await;
                row.map(|row| format!("row {}", row.last_insert_rowid())).map_err(|error| error.to_string())
            }),
        )
    }

    async fn open_database(path: &Path) -> Result<SqlitePool, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool = SqlitePool::connect_with(options).await?;
        sqlx::query("CREATE TABLE IF NOT EXISTS calls (number INTEGER PRIMARY KEY)").execute(&pool).await?;
        Ok(pool)
    }

    type Order = (String, mpsc::Sender<Result<(), Failure>>);

    /// A thread that was there before the seal.
    fn start_older_thread(probe: Arc<Probe>) -> mpsc::Sender<Order> {
        let (orders, waiting) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (attempt, reply) in waiting {
                // Whoever asked may have gone; then nobody needs the answer.
                let _ = reply.send(try_to(&attempt, &probe));
            }
        });
        orders
    }

    async fn answer(line: &str, probe: &Arc<Probe>, older_thread: &mpsc::Sender<Order>) -> String {
        let Some((attempt, thread_kind)) = line.split_once(' ') else { return "ATTEMPT THREAD".to_owned() };
        let (name, inside) = (attempt.to_owned(), Arc::clone(probe));
        let outcome = match (attempt, thread_kind) {
            ("connect-async", _) => {
                tokio::net::TcpStream::connect(probe.tcp).await.map(drop).map_err(Failure::from)
            }
            ("database", _) => {
                open_database(&probe.folder.join("after.db")).await.map(drop).map_err(Failure::from)
            }
            (_, "main") => try_to(attempt, probe),
            (_, "new") => thread::spawn(move || try_to(&name, &inside))
                .join()
                .unwrap_or_else(|_| Err("the thread panicked".into())),
            (_, "worker") => tokio::spawn(async move { try_to(&name, &inside) })
                .await
                .unwrap_or_else(|error| Err(error.into())),
            (_, "older") => {
                let (reply, outcome) = mpsc::channel();
                older_thread
                    .send((name, reply))
                    .map_err(Failure::from)
                    .and_then(|()| outcome.recv().map_err(Failure::from))
                    .unwrap_or_else(Err)
            }
            (_, other) => Err(format!("no thread called {other}").into()),
        };
        match outcome {
            Ok(()) => "ok".to_owned(),
            Err(error) => match error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
                Some(code) => format!("{:?}", Errno::from_raw(code)),
                None => format!("failed: {error}"),
            },
        }
    }

    fn try_to(attempt: &str, probe: &Probe) -> Result<(), Failure> {
        let left = &probe.left;
        let missing = || Failure::from("that was not left open");
        match attempt {
            "connect" => drop(TcpStream::connect(probe.tcp)?),
            "connect-mptcp" => {
                let socket = stream_socket(Some(ipproto::MPTCP))?;
                rustix::net::connect(&socket, &probe.tcp).map_err(io::Error::from)?;
            }
            "fast-open" => fast_open(&stream_socket(None)?, probe.tcp)?,
            "udp-send-to" => drop(UdpSocket::bind("127.0.0.1:0")?.send_to(b"x", probe.udp)?),
            "udp-connect" => {
                let socket = UdpSocket::bind("127.0.0.1:0")?;
                socket.connect(probe.udp)?;
                socket.send(b"x")?;
            }
            "listen" => drop(TcpListener::bind("127.0.0.1:0")?),
            "pair" => drop(UnixStream::pair()?),
            "run-a-child" => {
                let status = Command::new("/proc/self/exe").arg(probe.tcp.to_string()).status()?;
                if !status.success() {
                    return Err(format!("the child ended with {status}").into());
                }
            }
            "ring" => drop(IoUring::new(4)?),
            "trace" => nix::sys::ptrace::detach(Pid::from_raw(NO_PROCESS), None).map_err(io::Error::from)?,
            "read-memory" => read_own_memory()?,
            "take-descriptor" => {
                let this = rustix::process::pidfd_open(
                    rustix::process::getpid(),
                    rustix::process::PidfdFlags::empty(),
                )
                .map_err(io::Error::from)?;
                rustix::process::pidfd_getfd(&this, 1, PidfdGetfdFlags::empty()).map_err(io::Error::from)?;
            }
            "left-tcp-connect" => {
                rustix::net::connect(left.tcp.as_ref().ok_or_else(missing)?, &probe.tcp)
                    .map_err(io::Error::from)?;
            }
            "left-tcp-bind" => {
                let socket = left.tcp.as_ref().ok_or_else(missing)?;
                rustix::net::bind(socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))
                    .map_err(io::Error::from)?;
            }
            "left-tcp-fast-open" => fast_open(left.tcp.as_ref().ok_or_else(missing)?, probe.tcp)?,
            "left-tcp-listen" => {
                rustix::net::listen(left.bound_tcp.as_ref().ok_or_else(missing)?, 8)
                    .map_err(io::Error::from)?;
            }
            "left-udp-send-to" => drop(left.udp.as_ref().ok_or_else(missing)?.send_to(b"x", probe.udp)?),
            "left-udp-sendmsg" => {
                let (data, mut control) = ([IoSlice::new(b"x")], SendAncillaryBuffer::default());
                let socket = left.udp.as_ref().ok_or_else(missing)?;
                rustix::net::sendmsg_addr(socket, &probe.udp, &data, &mut control, SendFlags::empty())
                    .map_err(io::Error::from)?;
            }
            "left-udp-connect" => left.udp.as_ref().ok_or_else(missing)?.connect(probe.udp)?,
            "left-connected-udp-send" => drop(left.connected_udp.as_ref().ok_or_else(missing)?.send(b"x")?),
            "left-ring-submit" => drop(left.ring.as_ref().ok_or_else(missing)?.submit()?),
            "file" => write_and_read_back(&probe.folder)?,
            other => return Err(format!("no attempt called {other}").into()),
        }
        Ok(())
    }

    /// A thread with a filter of its own, which no filter for all threads can be laid over.
    fn start_odd_thread() -> Result<thread::JoinHandle<Result<(), seccompiler::Error>>, Failure> {
        let refuse_personality = SeccompFilter::new(
            [(nix::libc::SYS_personality, Vec::new())].into(),
            SeccompAction::Allow,
            SeccompAction::Errno(1),
            TargetArch::try_from(std::env::consts::ARCH)?,
        )?;
        let program = BpfProgram::try_from(refuse_personality)?;
        let (report, applied) = mpsc::channel();
        let thread = thread::spawn(move || {
            seccompiler::apply_filter(&program)?;
            // Whoever waits for it is there until it has come.
            let _ = report.send(());
            loop {
                thread::park();
            }
        });
        applied.recv()?;
        Ok(thread)
    }

    fn stream_socket(protocol: Option<rustix::net::Protocol>) -> io::Result<OwnedFd> {
        let flags = rustix::net::SocketFlags::CLOEXEC;
        Ok(rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, protocol)?)
    }

    fn fast_open(socket: &OwnedFd, target: SocketAddrV4) -> io::Result<()> {
        rustix::net::sendto(socket, b"x", FAST_OPEN, &target)?;
        Ok(())
    }

    fn read_own_memory() -> Result<(), Failure> {
        let source = [7_u8; 4];
        let mut copy = [0_u8; 4];
        let remote = RemoteIoVec { base: source.as_ptr().addr(), len: source.len() };
        process_vm_readv(Pid::this(), &mut [IoSliceMut::new(&mut copy)], &[remote])
            .map_err(io::Error::from)?;
        if copy == source { Ok(()) } else { Err("another content was read".into()) }
    }

    /// What a store does to a file.
    fn write_and_read_back(folder: &Path) -> Result<(), Failure> {
        let (draft, path) = (folder.join("draft"), folder.join("file"));
        let mut file = fs::File::create(&draft)?;
        file.write_all(b"kept")?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        fs::File::open(folder)?.sync_all()?;
        if fs::read(&path)? == b"kept" { Ok(()) } else { Err("another content was read".into()) }
    }
}

#[cfg(target_os = "linux")]
fn main() -> Result<std::process::ExitCode, Box<dyn std::error::Error + Send + Sync>> {
    probe::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("refused: sealing needs Linux");
}
