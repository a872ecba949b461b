//! The gateway as a process of its own.

use crate::client::Client;
use crate::http::Response;
use crate::manifest::Manifest;
use crate::port::PortReservation;
use crate::wait::{Deadline, PATIENCE};
use std::collections::HashSet;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A running gateway. Dropped, it is killed and its folder removed; if the test is failing, what it printed is shown.
pub struct Gateway {
    child: Child,
    ports: PortReservation,
    folder: PathBuf,
    printed: Arc<Mutex<Vec<u8>>>,
}

impl Gateway {
    /// Starts `binary` (`env!("CARGO_BIN_EXE_irongate")`) on one data thread and waits until it is ready.
    ///
    /// # Panics
    /// If it does not become ready.
    #[must_use]
    #[track_caller]
    pub fn start(binary: &str, manifest: &Manifest) -> Self {
        Self::start_with(binary, manifest, &["--threads", "1"])
    }

    /// The same with other arguments after `run -c FOLDER --admin ADDRESS`.
    ///
    /// # Panics
    /// If it does not become ready, with three pairs of ports in turn (see [`PortReservation`] for the race).
    #[must_use]
    #[track_caller]
    pub fn start_with(binary: &str, manifest: &Manifest, arguments: &[&str]) -> Self {
        Self::start_text(binary, arguments, |address| manifest.yaml(address))
    }

    /// The same with a configuration of the test's own, which is asked for anew each time that starting is tried.
    /// It need not listen at the address that it gets.
    ///
    /// # Panics
    /// As [`Gateway::start_with`].
    #[must_use]
    #[track_caller]
    pub fn start_text(
        binary: &str,
        arguments: &[&str],
        mut configuration: impl FnMut(SocketAddr) -> String,
    ) -> Self {
        let mut failure = String::new();
        for _ in 0..3 {
            let ports = PortReservation::new();
            let text = configuration(ports.address());
            let mut gateway = Self::spawn(binary, ports, &text, arguments);
            match gateway.wait_ready() {
                Ok(()) => return gateway,
                Err(error) => failure = format!("{error}; it printed:\n{}", gateway.printed()),
            }
        }
        unreachable!("the gateway does not become ready: {failure}")
    }

    fn spawn(binary: &str, ports: PortReservation, configuration: &str, arguments: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("irongate-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder in the temporary directory");
        write_manifest(&folder, configuration);
        let mut child = Command::new(binary)
            .args(["run", "-c"])
            .arg(&folder)
            .args(["--admin", &ports.admin().to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the gateway's binary runs");
        let printed = Arc::new(Mutex::new(Vec::new()));
        collect(child.stdout.take(), &printed);
        collect(child.stderr.take(), &printed);
        Self { child, ports, folder, printed }
    }

    fn wait_ready(&mut self) -> Result<(), String> {
        let deadline = Deadline::usual();
        while deadline.left().is_some() {
            if let Some(status) = self.child.try_wait().map_err(|error| error.to_string())? {
                return Err(format!("it ended: {status}"));
            }
            if self.try_admin("/readyz").is_some_and(|answer| answer.status == 200) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(format!("not ready after {PATIENCE:?}"))
    }

    /// Where its listener is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.ports.address()
    }

    /// A new client connection.
    #[must_use]
    #[track_caller]
    pub fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// Sends one request on a connection of its own and reads the answer.
    ///
    /// # Panics
    /// If there is no whole answer.
    #[must_use]
    #[track_caller]
    pub fn exchange(&self, request: impl AsRef<[u8]>) -> Response {
        let mut client = self.connect();
        client.send(request);
        client.response()
    }

    /// `GET` with `Host: test`.
    ///
    /// # Panics
    /// If there is no whole answer.
    #[must_use]
    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.exchange(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"))
    }

    /// Where its admin API is.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.ports.admin()
    }

    /// `GET` of the admin API.
    ///
    /// # Panics
    /// If there is no whole answer.
    #[must_use]
    #[track_caller]
    pub fn admin(&self, target: &str) -> Response {
        self.try_admin(target).expect("the admin API answers")
    }

    /// `GET` of the admin API, while it may not be there.
    #[must_use]
    pub fn try_admin(&self, target: &str) -> Option<Response> {
        let address = self.ports.admin();
        let mut client = Client::try_connect(address).ok()?;
        client
            .try_send(format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
            .ok()?;
        client.try_response("GET").ok()
    }

    /// The sum of a metric's samples whose line holds all of `labels`; 0 if there is none.
    ///
    /// # Panics
    /// If the metrics cannot be read.
    #[must_use]
    #[track_caller]
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.admin("/metrics").text();
        text.lines()
            .filter(|line| {
                line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                    && labels.iter().all(|label| line.contains(label))
            })
            .map(|line| {
                line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).expect("a sample's value")
            })
            .sum()
    }

    /// Replaces the configuration, as `rename` does.
    pub fn configure(&self, manifest: &Manifest) {
        self.configure_text(&manifest.yaml(self.address()));
    }

    /// The same with a configuration of the test's own.
    pub fn configure_text(&self, configuration: &str) {
        write_manifest(&self.folder, configuration);
    }

    /// The folder that its configuration is in: the file `gateway.yaml`, and what a test adds.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Sends SIGTERM: drain and end.
    ///
    /// # Panics
    /// If the process is gone.
    #[track_caller]
    pub fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Sends SIGHUP: read the configuration again.
    ///
    /// # Panics
    /// If the process is gone.
    #[track_caller]
    pub fn reload(&self) {
        self.signal(rustix::process::Signal::HUP);
    }

    #[track_caller]
    fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).expect("the gateway runs");
    }

    /// Waits for the process to end.
    ///
    /// # Panics
    /// If it does not within [`PATIENCE`].
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        let deadline = Deadline::usual();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(deadline.left().is_some(), "the gateway does not end; it printed:\n{}", self.printed());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether the process is there.
    ///
    /// # Panics
    /// Never: a child can be waited for.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    /// The memory that it has resident now, in bytes.
    ///
    /// # Panics
    /// If the process is gone.
    #[must_use]
    #[track_caller]
    pub fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the gateway runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
        kibibytes.expect("Linux tells VmRSS in kB") << 10
    }

    /// Lets the process open only so many more files from now on; `None`: as many as it likes, if it could before.
    ///
    /// # Panics
    /// If the process is gone.
    #[track_caller]
    pub fn limit_files(&self, more: Option<u64>) {
        use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("the gateway runs");
        let open: HashSet<u64> =
            files.filter_map(|file| file.ok()?.file_name().to_str()?.parse().ok()).collect();
        // The limit is on the number of a file, and the lowest free one is taken.
        let mut free = (0..).filter(|number| !open.contains(number));
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        let current = more.map_or(maximum, |more| free.nth(more as usize));
        let limit = Rlimit { current, maximum };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit).expect("the gateway runs");
    }

    /// What it printed so far, on both streams.
    ///
    /// # Panics
    /// Never: nobody panics while holding the lock.
    #[must_use]
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&self.printed.lock().expect("no holder panics")).into_owned()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
        if std::thread::panicking() {
            show(&format!("--- the gateway printed:\n{}---", self.printed()));
        }
        let _left_to_the_system = std::fs::remove_dir_all(&self.folder);
    }
}

#[expect(clippy::print_stderr, reason = "a failing test says what its gateway printed")]
fn show(text: &str) {
    eprintln!("{text}");
}

fn write_manifest(folder: &Path, yaml: &str) {
    // Written beside the file and renamed, so that a watcher never reads half of it.
    let fresh = folder.join(".fresh");
    std::fs::write(&fresh, yaml).expect("a file in the temporary directory");
    std::fs::rename(&fresh, folder.join("gateway.yaml")).expect("a rename within a folder");
}

fn collect(stream: Option<impl Read + Send + 'static>, into: &Arc<Mutex<Vec<u8>>>) {
    let (Some(mut stream), into) = (stream, into.clone()) else { return };
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut chunk) {
            into.lock().expect("no holder panics").extend_from_slice(&chunk[..length]);
        }
    });
}
