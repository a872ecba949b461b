//! Which names lead to the configuration.

use std::collections::HashSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Links that are followed one after the other, as many as Linux follows.
const MOST_LINKS: usize = 40;

/// The names whose change may change the configuration.
#[derive(Default)]
pub(super) struct Places {
    /// Each of these names: files, links, and the folders above them.
    names: HashSet<PathBuf>,
    /// Those that are folders and no links. What is around them need not be watched: that they go is told by
    /// themselves where they are watched, and seen by who looks.
    standing: HashSet<PathBuf>,
    /// Every name in these folders.
    folders: HashSet<PathBuf>,
}

impl Places {
    /// The names that lead to these paths, and to files of theirs that are links. The other files of a folder are known
    /// by their folder.
    pub(super) fn new<'f>(paths: &[PathBuf], links: impl Iterator<Item = &'f Path>) -> Self {
        let mut places = Self::default();
        for path in paths {
            let end = places.follow(path);
            if end.is_dir() {
                places.folders.insert(end);
            }
        }
        for link in links {
            places.follow(link);
        }
        places
    }

    /// The folders to be watched: where a file or a link is, or something is missing. A busy folder further up, such as
    /// `/tmp`, is not.
    pub(super) fn watched(&self) -> impl Iterator<Item = PathBuf> {
        let above = self.names.difference(&self.standing).filter_map(|name| name.parent());
        above.chain(self.folders.iter().map(PathBuf::as_path)).map(Path::to_owned)
    }

    /// The folders on the way, watched or not.
    pub(super) fn standing(&self) -> impl Iterator<Item = &Path> {
        self.standing.iter().map(PathBuf::as_path)
    }

    pub(super) fn has(&self, path: &Path) -> bool {
        self.names.contains(path) || path.parent().is_some_and(|folder| self.folders.contains(folder))
    }

    /// Takes every name on the way to what a path means; gives where the way ends.
    fn follow(&mut self, path: &Path) -> PathBuf {
        let mut path = std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| plain(&path));
        for _ in 0..MOST_LINKS {
            self.names.extend(path.ancestors().map(Path::to_owned));
            let is_folder = |name: &&Path| fs::symlink_metadata(name).is_ok_and(|metadata| metadata.is_dir());
            self.standing.extend(path.ancestors().filter(is_folder).map(Path::to_owned));
            let mut links = path
                .ancestors()
                .filter_map(|name| Some((name, fs::read_link(name).ok()?)))
                .collect::<Vec<_>>();
            // The first on the way.
            let Some((link, target)) = links.pop() else { break };
            let rest = path.strip_prefix(link).unwrap_or(Path::new(""));
            let target = link.parent().unwrap_or(Path::new("/")).join(target);
            path = plain(&target.join(rest));
        }
        path
    }
}

/// The path without `.` and `..`. The folders before them are no links: those were followed.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}
