//! The gateway as a process, with one configuration file that is renamed into its place.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where configurations are, if there is one: a file system in memory. A `rename` on a disk waits for the disk's journal, which
/// beside a program that writes much took 120 ms: that is no part of what is measured.
const MEMORY: &str = "/dev/shm";

/// A running gateway. Dropped, it is killed.
pub(crate) struct Gateway {
    child: Child,
    /// Its configuration's own.
    folder: PathBuf,
    file: PathBuf,
    pub(crate) port: u16,
}

impl Gateway {
    /// Starts it with a configuration for the port that it gets.
    pub(crate) fn start(name: &str, configuration: impl FnOnce(u16) -> String) -> Self {
        let binary = std::env::var_os("IRONGATE").unwrap_or("target/release/irongate".into());
        let logs = PathBuf::from("target/reload");
        fs::create_dir_all(&logs).expect("the folder can be made");
        let base = Path::new(MEMORY);
        let base = if base.is_dir() { base } else { &logs };
        let folder = base.join(format!("irongate-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("the folder can be made");
        let port = free_port();
        let file = folder.join("gateway.yaml");
        fs::write(&file, configuration(port)).expect("the configuration can be written");
        let log_file = logs.join(format!("{name}.log"));
        let log = fs::File::create(&log_file).expect("the log can be written");
        let child = Command::new(binary)
            .args(["run", "--admin", "off", "--threads", "2", "-c"])
            .arg(&file)
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .expect("the gateway's binary runs");
        let gateway = Self { child, folder, file, port };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < deadline, "the gateway does not listen; see {}", log_file.display());
            std::thread::sleep(Duration::from_millis(5));
        }
        gateway
    }

    /// Puts a new configuration in the place of the old one; gives when.
    pub(crate) fn configure(&self, text: &str) -> Instant {
        let fresh = self.file.with_extension("fresh");
        let mut file = fs::File::create(&fresh).expect("a new file");
        file.write_all(text.as_bytes()).expect("it can be written");
        drop(file);
        let at = Instant::now();
        fs::rename(fresh, &self.file).expect("a rename within a folder");
        at
    }

    /// The memory that it has resident, in MiB.
    pub(crate) fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        kibibytes.unwrap_or(f64::NAN) / 1024.0
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
        let _gone_already = fs::remove_dir_all(&self.folder);
    }
}

/// A port that is free at the moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it is bound").port()
}
