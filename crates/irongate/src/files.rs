//! Configuration files: which there are, and what is in them.
//!
//! A path names a file, or a folder whose `*.yaml` and `*.yml` count (not those of its folders). [`Files`] remembers
//! what it read, and reads again only what may have changed.

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

/// Reads every file that the paths name, once; those of a folder by name. A file that cannot be read is a source that
/// says so.
///
/// # Errors
/// A path that is not there; the message names it.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    let mut files = Files::new(paths);
    files.require()?;
    Ok(files.read(&HashSet::new(), false).sources)
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
}

/// One file as it was read.
struct Known {
    stamp: Stamp,
    text: Arc<str>,
    is_link: bool,
    /// It changed so shortly before that its stamp may stay the same when it changes again.
    is_in_doubt: bool,
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

    fn is_in_doubt(&self) -> bool {
        let (seconds, nanoseconds) = self.changed;
        let since = Duration::new(seconds.unsigned_abs(), u32::try_from(nanoseconds).unwrap_or_default());
        let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + since);
        !age.is_ok_and(|age| age >= CERTAIN)
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
    pub(crate) fn read(&mut self, writing: &HashSet<PathBuf>, everything: bool) -> Found {
        let mut round =
            Round { writing, everything, former: std::mem::take(&mut self.known), sources: vec![] };
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
                Err(error) => {
                    let why: Arc<str> = format!("its folder cannot be read: {error:#}").into();
                    let name = |path: &Path| path.display().to_string();
                    match self.folders.get(path) {
                        Some(files) if !files.is_empty() => {
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
        Found { sources, is_new }
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
                Some(former) if self.is_written(file) => Ok(former),
                None if self.is_written(file) => Err(io::ErrorKind::NotFound.into()),
                former => read_file(file, stamp, former),
            }
        });
        match read {
            Ok(read) => {
                self.sources.push(Source::new(name, read.text.clone()));
                known.insert(file.to_owned(), read);
            }
            // It went away meanwhile, or was never there.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => self.sources.push(Source::unreadable(name, error.to_string())),
        }
    }

    fn is_written(&self, file: &Path) -> bool {
        // Nearly always nobody is: the way that links lead is looked up only where somebody is.
        !self.writing.is_empty()
            && (self.writing.contains(file)
                || file.canonicalize().is_ok_and(|file| self.writing.contains(&file)))
    }
}

fn read_file(file: &Path, stamp: Stamp, former: Option<Known>) -> io::Result<Known> {
    let opened = fs::File::open(file)?;
    let mut text = String::new();
    // One that is too large is told by whoever reads it: so much is enough to know it.
    opened.take(LARGEST + 1).read_to_string(&mut text)?;
    let text = match former {
        Some(former) if *former.text == *text => former.text,
        _ => text.into(),
    };
    let is_link = fs::symlink_metadata(file)?.is_symlink();
    Ok(Known { stamp, text, is_link, is_in_doubt: stamp.is_in_doubt() })
}

fn list(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.path();
        // The kinds of most entries are known from the listing; what a link leads to has to be looked up.
        let is_file = || entry.file_type().is_ok_and(|kind| kind.is_file()) || file.is_file();
        if is_configuration(&file) && is_file() {
            files.push(file);
        }
    }
    if files.len() > MOST {
        bail!("it holds {} files; at most {MOST} are read", files.len());
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
