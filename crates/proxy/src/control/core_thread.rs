//! The thread of one core: its runtime, what it is told, and a new start after a panic.
//!
//! A panic in a task costs that task, and those on which others depend are started again. One outside of them ends
//! the runtime, and its connections with it; the thread then begins anew with the same listening sockets, so that
//! connections which wait in their queues are served, and the kernel sends none to a socket that nobody looks at.

use super::PAUSE;
use crate::connection;
use crate::core::{Core, supervised};
use crate::listener::{Command, ListenSocket, Listeners};
use crate::live::Shared;
use crate::snapshot::PortId;
use irongate_telemetry::Panicked;
use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc::UnboundedReceiver;

/// How often idle connections to origins are looked through, and the date is renewed.
const TIDY: Duration = Duration::from_secs(1);

/// What a core was told, and what a new start of it needs.
struct CoreThread {
    index: usize,
    shared: Arc<Shared>,
    commands: UnboundedReceiver<Command>,
    open: HashMap<PortId, ListenSocket>,
    draining: bool,
    closes_idle: bool,
}

/// Starts a core.
///
/// # Errors
/// The system gives no thread, or no runtime in it.
pub(super) fn spawn(
    index: usize,
    shared: Arc<Shared>,
    commands: UnboundedReceiver<Command>,
) -> io::Result<JoinHandle<()>> {
    let (tell, told) = sync_channel(1);
    let name = format!("irongate-core-{index}");
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        let (runtime, outcome) = match runtime(index) {
            Ok(runtime) => (Some(runtime), Ok(())),
            Err(error) => (None, Err(error)),
        };
        // Failing means that nobody waits for it any more.
        let _ = tell.send(outcome);
        if let Some(runtime) = runtime {
            let open = HashMap::new();
            CoreThread { index, shared, commands, open, draining: false, closes_idle: false }.run(runtime);
        }
    })?;
    told.recv().unwrap_or_else(|_| Err(io::Error::other("a core's thread ended at once")))?;
    Ok(thread)
}

fn runtime(index: usize) -> io::Result<LocalRuntime> {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().thread_name(format!("irongate-core-{index}"));
    builder.build_local(LocalOptions::default())
}

impl CoreThread {
    /// Serves until it is told to stop.
    fn run(mut self, mut runtime: LocalRuntime) {
        // What a panic may have left half done goes with the runtime; what stays is written by `note` alone.
        while catch_unwind(AssertUnwindSafe(|| runtime.block_on(self.serve()))).is_err() {
            self.shared.registry.metrics.panicked(Panicked::Core);
            tracing::error!(
                core = self.index,
                "a core panicked and is started again; its connections are lost"
            );
            // Its connections end now.
            drop(runtime);
            std::thread::sleep(PAUSE);
            runtime = self.next_runtime();
        }
    }

    fn next_runtime(&self) -> LocalRuntime {
        loop {
            match runtime(self.index) {
                Ok(runtime) => return runtime,
                Err(error) => {
                    tracing::error!(%error, "a core cannot be started again yet");
                    std::thread::sleep(TIDY);
                }
            }
        }
    }

    async fn serve(&mut self) {
        let core = Core::new(self.index, self.shared.clone());
        let drive = |core: Rc<Core>| core.timers.clone().drive();
        tokio::task::spawn_local(supervised(core.clone(), "the timers", drive));
        tokio::task::spawn_local(supervised(core.clone(), "the idle connections", tidy));
        let listeners = Listeners::default();
        core.draining.set(self.draining);
        if self.closes_idle {
            core.close_idle();
        }
        for (port, socket) in &self.open {
            listeners.listen(&core, *port, socket.clone());
        }
        while let Some(command) = self.commands.recv().await {
            if let Command::Stop = command {
                return;
            }
            self.note(&command);
            obey(&core, &listeners, command);
        }
    }

    /// Keeps what a new start needs to know.
    fn note(&mut self, command: &Command) {
        match command {
            Command::Listen(port, socket) => {
                self.open.insert(*port, socket.clone());
            }
            Command::Close(port) => {
                self.open.remove(port);
            }
            Command::Drain => self.draining = true,
            Command::CloseIdle => self.closes_idle = true,
            _ => {}
        }
    }
}

fn obey(core: &Rc<Core>, listeners: &Listeners, command: Command) {
    match command {
        Command::Listen(port, socket) => listeners.listen(core, port, socket),
        Command::Close(port) => listeners.close(port),
        // The seat is given up once the connection counts itself.
        Command::Serve(port, stream, peer, _seat) => connection::spawn(core, port, stream.into(), peer),
        Command::Drain => core.draining.set(true),
        Command::CloseIdle => core.close_idle(),
        Command::Report(sender) => {
            // Failing means that nobody waits for it any more.
            let _ = sender.send(core.report());
        }
        Command::Stop => {}
        #[cfg(test)]
        Command::Panic => panic!("as the test asked for"),
    }
}

/// Closes connections to origins that were idle for too long, and renews the date.
async fn tidy(core: Rc<Core>) {
    loop {
        tokio::time::sleep(TIDY).await;
        core.date.set(SystemTime::now());
        core.tidy();
    }
}
