//! Configuration files: which there are, and what is in them.
//!
//! A path names a file, or a folder whose `*.yaml` and `*.yml` count (not those of its folders). [`Files`] remembers
//! what it read, and reads again only what may have changed.
//!
//! A file that is written in place is empty first and grows. Whoever reads it meanwhile would take away what it held;
//! so one that changed just now is read again until it has come to rest, and one that has become empty is believed only
//! when it stays so.

use anyhow::{Context, bail};
use irongate_translate::Source;
use std::collections::{HashMap, HashSet};
use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The largest file that is read, in bytes.
const LARGEST: u64 = Source::MAX_BYTES as u64;
/// The most files of a folder.
const MOST: usize = 10_000;
/// How old a change of a file has to be for its time to tell it from another one. Kernels round to their ticks, 10 ms
/// at most.
const CERTAIN: Duration = Duration::from_millis(50);
/// How long a file has to have been left alone to be whole.
const AT_REST: Duration = Duration::from_millis(10);
/// How long a file that held something has to be empty before that counts.
const EMPTY: Duration = Duration::from_secs(1);

/// Reads every file that the paths name, once; those of a folder by name. A file that cannot be read is a source that
/// says so.
///
/// # Errors
/// A path that is not there, or nothing but folders without such files; the message names it.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    let mut files = Files::new(paths);
    files.require()?;
    let sources = files.read(&HashSet::new(), false, SystemTime::now()).sources;
    match files.lacks().next() {
        Some(lack) if sources.is_empty() => bail!(lack),
        _ => Ok(sources),
    }
}

/// The files that the paths name, as they were read last.
pub(crate) struct Files {
    paths: Vec<PathBuf>,
    known: HashMap<PathBuf, Known>,
    /// What each folder held, for when it cannot be listed.
    folders: HashMap<PathBuf, Vec<PathBuf>>,
    last: Vec<Source>,
}

/// What was found.
pub(crate) struct Found {
    pub(crate) sources: Vec<Source>,
    /// Whether it differs from what was found before.
    pub(crate) is_new: bool,
    /// Whether a file changed so shortly before that it may be half-written.
    pub(crate) is_restless: bool,
    /// When to look again, though nothing may have changed by then: a file is empty and not believed to be.
    pub(crate) again: Option<Duration>,
}

/// One file as it was read.
struct Known {
    stamp: Stamp,
    text: Arc<str>,
    is_link: bool,
    /// It changed so shortly before that its stamp may stay the same when it changes again.
    is_in_doubt: bool,
    is_restless: bool,
    /// Since when it is empty, while its former text counts.
    emptied: Option<SystemTime>,
}

impl Known {
    /// What counts of a file after a reading that gave this text.
    fn new(stamp: Stamp, text: &str, former: Option<Self>, now: SystemTime) -> Self {
        let age = stamp.age(now);
        let mut known = Self {
            stamp,
            text: Arc::default(),
            is_link: false,
            is_in_doubt: age.is_none_or(|age| age < CERTAIN),
            is_restless: age.is_some_and(|age| age < AT_REST),
            emptied: None,
        };
        let Some(former) = former else {
            known.text = text.into();
            return known;
        };
        if is_empty(text) && !is_empty(&former.text) {
            let since = former.emptied.unwrap_or(now);
            // A clock that was set back would hold it for ever.
            if now.duration_since(since).is_ok_and(|since| since < EMPTY) {
                known.emptied = Some(since);
                known.is_in_doubt = true;
                known.text = former.text;
                return known;
            }
        }
        known.text = if *former.text == *text { former.text } else { text.into() };
        known
    }

    /// How long it is still to be looked at, if it is empty.
    fn again(&self, now: SystemTime) -> Option<Duration> {
        Some(EMPTY.saturating_sub(now.duration_since(self.emptied?).unwrap_or_default()))
    }
}

/// Whether a text holds no document, as a file does that was opened to be written anew.
fn is_empty(text: &str) -> bool {
    text.trim().is_empty()
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn new(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// How long ago it changed; `None`: not yet, by this clock.
    fn age(&self, now: SystemTime) -> Option<Duration> {
        let (seconds, nanoseconds) = self.changed;
        let since = Duration::new(seconds.unsigned_abs(), u32::try_from(nanoseconds).unwrap_or_default());
        now.duration_since(SystemTime::UNIX_EPOCH + since).ok()
    }
}

impl Files {
    pub(crate) fn new(paths: &[PathBuf]) -> Self {
        Self { paths: paths.to_vec(), known: HashMap::new(), folders: HashMap::new(), last: Vec::new() }
    }

    /// The paths as they were given.
    pub(crate) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Those of the files that were read last that are links.
    pub(crate) fn links(&self) -> impl Iterator<Item = &Path> {
        self.known.iter().filter(|(_, known)| known.is_link).map(|(file, _)| file.as_path())
    }

    /// What the paths lack, a sentence each.
    pub(crate) fn lacks(&self) -> impl Iterator<Item = String> {
        let missing = self.paths.iter().filter(|path| !path.exists());
        let missing = missing.map(|path| format!("{} is not there: nothing of it is served", path.display()));
        let empty = self.folders.iter().filter(|(folder, files)| files.is_empty() && folder.exists());
        let empty = empty.map(|(folder, _)| format!("{} holds no .yaml or .yml file", folder.display()));
        missing.chain(empty)
    }

    /// Fails if a path is not there: at the start that is a mistake; later it may come back.
    pub(crate) fn require(&self) -> anyhow::Result<()> {
        for path in &self.paths {
            fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        }
        Ok(())
    }

    /// Reads what may have changed, or everything. Files that somebody is `writing` stay as they were.
    pub(crate) fn read(&mut self, writing: &HashSet<PathBuf>, everything: bool, now: SystemTime) -> Found {
        let former = std::mem::take(&mut self.known);
        let mut round = Round { writing, everything, now, former, sources: vec![] };
        for path in &self.paths {
            if !fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
                self.folders.remove(path);
                round.file(path, &mut self.known);
                continue;
            }
            match list(path) {
                Ok(files) => {
                    files.iter().for_each(|file| round.file(file, &mut self.known));
                    self.folders.insert(path.clone(), files);
                }
                Err(why) => {
                    let name = |path: &Path| path.display().to_string();
                    match self.folders.get(path) {
                        Some(files) if !files.is_empty() => {
                            let why: Arc<str> = format!("its folder cannot be: {why}").into();
                            let lost = files.iter().map(|file| Source::unreadable(name(file), why.clone()));
                            round.sources.extend(lost);
                        }
                        _ => round.sources.push(Source::unreadable(name(path), why)),
                    }
                }
            }
        }
        let sources = round.sources;
        let is_new = !(sources.len() == self.last.len() && sources.iter().zip(&self.last).all(is_same));
        self.last.clone_from(&sources);
        Found {
            sources,
            is_new,
            is_restless: self.known.values().any(|known| known.is_restless),
            again: self.known.values().filter_map(|known| known.again(now)).min(),
        }
    }
}

/// Whether two sources are one: texts that did not change are shared.
fn is_same((new, old): (&Source, &Source)) -> bool {
    new.name == old.name
        && match (&new.text, &old.text) {
            (Ok(new), Ok(old)) => Arc::ptr_eq(new, old),
            (new, old) => new == old,
        }
}

/// One reading of everything.
struct Round<'r> {
    writing: &'r HashSet<PathBuf>,
    everything: bool,
    now: SystemTime,
    former: HashMap<PathBuf, Known>,
    sources: Vec<Source>,
}

impl Round<'_> {
    fn file(&mut self, file: &Path, known: &mut HashMap<PathBuf, Known>) {
        let name = file.display().to_string();
        let former = self.former.remove(file);
        let read = fs::metadata(file).and_then(|metadata| {
            let stamp = Stamp::new(&metadata);
            match former {
                Some(former) if !self.everything && former.stamp == stamp && !former.is_in_doubt => {
                    Ok(former)
                }
                // Whoever closes it is a change.
                Some(former) if self.is_written(file) => Ok(Known { is_restless: false, ..former }),
                None if self.is_written(file) => Err(io::ErrorKind::NotFound.into()),
                former => read_file(file, stamp, former, self.now),
            }
        });
        match read {
            Ok(read) => {
                self.sources.push(Source::new(name, read.text.clone()));
                known.insert(file.to_owned(), read);
            }
            // It went away meanwhile, or was never there.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => self.sources.push(Source::unreadable(name, why(&error))),
        }
    }

    fn is_written(&self, file: &Path) -> bool {
        // Nearly always nobody is: the way that links lead is looked up only where somebody is.
        !self.writing.is_empty()
            && (self.writing.contains(file)
                || file.canonicalize().is_ok_and(|file| self.writing.contains(&file)))
    }
}

fn read_file(file: &Path, stamp: Stamp, former: Option<Known>, now: SystemTime) -> io::Result<Known> {
    let opened = fs::File::open(file)?;
    let mut text = String::new();
    // One that is too large is told by whoever reads it: so much is enough to know it.
    opened.take(LARGEST + 1).read_to_string(&mut text)?;
    let mut known = Known::new(stamp, &text, former, now);
    known.is_link = fs::symlink_metadata(file)?.is_symlink();
    if Stamp::new(&fs::metadata(file)?) != stamp {
        // It changed while it was read.
        (known.is_in_doubt, known.is_restless) = (true, true);
    }
    Ok(known)
}

/// Why the system does not let us read something, and what to do.
fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("{error}: allow it to the user that irongate runs as")
        }
        io::ErrorKind::InvalidData => "it is not text in UTF-8: save it as that".to_owned(),
        _ => error.to_string(),
    }
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| why(&error))? {
        let entry = entry.map_err(|error| why(&error))?;
        let file = entry.path();
        // The kinds of most entries are known from the listing; what a link leads to has to be looked up.
        let is_file = || entry.file_type().is_ok_and(|kind| kind.is_file()) || file.is_file();
        if is_configuration(&file) && is_file() {
            files.push(file);
        }
    }
    if files.len() > MOST {
        return Err(format!("it holds {} files; at most {MOST} are read", files.len()));
    }
    files.sort();
    Ok(files)
}

/// `*.yaml` and `*.yml`, but for hidden files, which editors and atomic replacements leave.
fn is_configuration(file: &Path) -> bool {
    let hidden = file.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let ending = file.extension().and_then(|ending| ending.to_str());
    !hidden && matches!(ending, Some("yaml" | "yml"))
}

#[cfg(test)]
mod tests;
