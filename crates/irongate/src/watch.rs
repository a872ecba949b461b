//! Watching configuration files for changes.
//!
//! Folders are watched, never files: editors and atomic replacements put another file under the same name. Every name
//! that leads to a file counts, through links too, so that a link that is turned (as a mounted ConfigMap's `..data` is)
//! is a change, and so is a folder that goes and comes back. Folders that only lead to others are not watched, since much may
//! happen in them that is nobody's business here: whether they are still the same is looked at each second. Where the
//! system cannot watch, so are the files.

mod places;
mod seen;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use places::Places;
use seen::Seen;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// Changes are taken together until nothing has happened for so long.
const QUIET: Duration = Duration::from_millis(10);
/// The longest that a change waits for others.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often files are looked at where they cannot be watched, and folders on the way where they are not.
const POLL: Duration = Duration::from_secs(1);

/// Tells when configuration files may have changed.
pub(crate) struct Watch {
    seen: Arc<Seen>,
    watcher: Option<RecommendedWatcher>,
    /// The folders that are watched: a folder of that name may be another one later.
    watched: HashMap<PathBuf, FolderId>,
    /// The folders on the way, as they were when they were followed.
    standing: Vec<(PathBuf, Option<FolderId>)>,
    has_told: bool,
}

/// Device and inode.
type FolderId = (u64, u64);

fn folder_id(folder: &Path) -> Option<FolderId> {
    fs::metadata(folder).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

impl Watch {
    /// Watches nothing yet.
    pub(crate) fn new() -> Self {
        let seen = Arc::<Seen>::default();
        let handler = seen.clone();
        let (watched, standing) = (HashMap::new(), Vec::new());
        let mut watch = Self { seen, watcher: None, watched, standing, has_told: false };
        match notify::recommended_watcher(move |event| handler.note(event)) {
            Ok(watcher) => watch.watcher = Some(watcher),
            Err(error) => watch.fail(&error),
        }
        watch
    }

    /// Watches everything that leads to these paths, and to files of theirs that are links. True if something is watched
    /// that was not before: it may have changed in between.
    pub(crate) fn follow<'f>(&mut self, paths: &[PathBuf], links: impl Iterator<Item = &'f Path>) -> bool {
        let places = Places::new(paths, links);
        let wanted: HashSet<PathBuf> = places.watched().collect();
        self.standing = places.standing().map(|folder| (folder.to_owned(), folder_id(folder))).collect();
        self.seen.set_places(places);
        for gone in self.seen.take_gone() {
            // The system has dropped these; the names may come back as others.
            let lost: Vec<PathBuf> =
                self.watched.keys().filter(|path| path.starts_with(&gone)).cloned().collect();
            lost.iter().for_each(|path| self.unwatch(path));
        }
        let unwanted: Vec<PathBuf> =
            self.watched.keys().filter(|path| !wanted.contains(*path)).cloned().collect();
        unwanted.iter().for_each(|path| self.unwatch(path));
        let mut is_new = false;
        for folder in wanted {
            is_new |= self.watch(folder);
        }
        is_new
    }

    /// The files that somebody is writing just now: what they hold is not yet whole.
    pub(crate) fn writing(&self) -> HashSet<PathBuf> {
        self.seen.writing()
    }

    /// Waits for a change, and for those that come with it.
    pub(crate) async fn changed(&self) {
        self.first().await;
        let latest = Instant::now() + PATIENCE;
        loop {
            let until = self.seen.quiet_since().map_or(latest, |since| latest.min(since + QUIET));
            if Instant::now() >= until {
                return self.seen.take();
            }
            // Only a wait that is over ends this: after a change it is worked out anew.
            let _ = timeout_at(until, self.seen.changes.notified()).await;
        }
    }

    async fn first(&self) {
        while !self.seen.is_due() {
            let wait = self.seen.next_look().min(POLL);
            if timeout(wait, self.seen.changes.notified()).await.is_err()
                && (self.watcher.is_none() || self.has_moved())
            {
                return;
            }
        }
    }

    /// Whether a folder on the way is another one now.
    fn has_moved(&self) -> bool {
        self.standing.iter().any(|(folder, id)| folder_id(folder) != *id)
    }

    fn watch(&mut self, folder: PathBuf) -> bool {
        let Some(id) = folder_id(&folder) else { return false };
        if self.watched.get(&folder).is_some_and(|known| *known == id) {
            return false;
        }
        self.unwatch(&folder);
        let Some(watcher) = &mut self.watcher else { return false };
        match watcher.watch(&folder, RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.watched.insert(folder, id);
                true
            }
            Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => false,
            Err(error) => {
                self.fail(&error);
                false
            }
        }
    }

    fn unwatch(&mut self, folder: &Path) {
        if self.watched.remove(folder).is_some()
            && let Some(watcher) = &mut self.watcher
        {
            // Failing means that the system has dropped it already.
            let _ = watcher.unwatch(folder);
        }
    }

    /// From now on the files are looked at each second.
    fn fail(&mut self, error: &notify::Error) {
        self.watcher = None;
        self.watched.clear();
        if !std::mem::replace(&mut self.has_told, true) {
            let advice = advice(error);
            tracing::warn!(
                %error,
                "the configuration files cannot be watched and are looked at each second; {advice}"
            );
        }
    }
}

/// What can be done where the system does not watch (inotify_init(2), inotify_add_watch(2)).
fn advice(error: &notify::Error) -> &'static str {
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => "raise `sysctl fs.inotify.max_user_watches`",
        notify::ErrorKind::Io(error) => match (error.raw_os_error(), error.kind()) {
            (Some(EMFILE), _) => "raise `sysctl fs.inotify.max_user_instances`, or `ulimit -n`",
            (_, std::io::ErrorKind::PermissionDenied) => {
                "allow the user that irongate runs as to read them and their folders"
            }
            _ => "changes are taken up all the same",
        },
        _ => "changes are taken up all the same",
    }
}

const EMFILE: i32 = 24;

#[cfg(test)]
mod tests;
