use super::*;
use notify::event::{CreateKind, DataChange, Flag, ModifyKind};
use notify::{Event, EventKind};

/// Where nothing can be watched.
fn blind() -> Watch {
    let (watched, standing) = (HashMap::new(), Vec::new());
    Watch { seen: Arc::default(), watcher: None, watched, standing, has_told: false }
}

/// A watch that is told by the test what the system says, of one file.
fn of_file(file: &Path) -> Watch {
    let watch = Watch::new();
    watch.seen.set_places(Places::new(&[file.to_owned()], std::iter::empty()));
    watch
}

fn event(kind: EventKind, file: &Path) -> notify::Result<Event> {
    Ok(Event::new(kind).add_path(file.to_owned()))
}

const WRITTEN: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));

#[tokio::test(start_paused = true)]
async fn where_nothing_can_be_watched_files_are_looked_at_each_second() {
    let watch = blind();
    for _ in 0..3 {
        let begin = Instant::now();
        watch.changed().await;
        let took = begin.elapsed();
        assert!((POLL..POLL + PATIENCE).contains(&took), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_fails_later_gives_way_to_looking() {
    let mut watch = of_file(Path::new("/tmp/gateway.yaml"));
    watch.fail(&notify::Error::new(notify::ErrorKind::MaxFilesWatch));
    assert!(watch.watcher.is_none() && watch.watched.is_empty());
    let begin = Instant::now();
    watch.changed().await;
    assert!(begin.elapsed() >= POLL);
}

#[tokio::test(start_paused = true)]
async fn lost_events_are_a_change_of_everything() {
    let file = Path::new("/tmp/gateway.yaml");
    let watch = of_file(file);
    watch.seen.note(event(WRITTEN, file));
    assert_eq!(watch.writing(), [file.to_owned()].into());
    // Whether it was closed since, nobody knows.
    watch.seen.note(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)));
    assert_eq!(watch.writing(), HashSet::new());
    let begin = Instant::now();
    watch.changed().await;
    assert_eq!(begin.elapsed(), QUIET);
    assert!(!watch.seen.is_due());
    watch.seen.note(Err(notify::Error::generic("the queue cannot be read")));
    assert!(watch.seen.is_due());
}

#[tokio::test(start_paused = true)]
async fn changes_are_taken_together_and_not_for_ever() {
    let file = Path::new("/tmp/gateway.yaml");
    let watch = of_file(file);
    let created = || event(EventKind::Create(CreateKind::File), file);
    watch.seen.note(created());
    let begin = Instant::now();
    let seen = watch.seen.clone();
    let restless = async {
        loop {
            tokio::time::sleep(QUIET / 2).await;
            seen.note(created());
        }
    };
    tokio::select! {
        () = watch.changed() => {}
        () = restless => {}
    }
    let took = begin.elapsed();
    assert!((PATIENCE..PATIENCE + QUIET).contains(&took), "{took:?}");
}

/// A folder of a test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("irongate-watch-{}-{name}", std::process::id()));
        fs::create_dir_all(folder.join("a/b")).expect("a new folder");
        Self(folder.canonicalize().expect("it is there"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is in the system's folder for such things.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn folders_that_only_lead_to_others_are_not_watched() {
    let folder = Folder::new("places");
    fs::write(folder.path("a/b/gateway.yaml"), "").expect("writable");
    std::os::unix::fs::symlink("a", folder.path("link")).expect("a link");
    let watched = |path: &str| -> HashSet<PathBuf> {
        Places::new(&[folder.path(path)], std::iter::empty()).watched().collect()
    };
    let places = |names: &[&str]| names.iter().map(|name| folder.path(name)).collect::<HashSet<_>>();
    assert_eq!(watched("a/b/gateway.yaml"), places(&["a/b"]), "the folder of a file");
    assert_eq!(watched("a/b"), places(&["a/b"]), "a folder of files");
    assert_eq!(watched("link/b"), places(&["a/b", ""]), "where the link is");
    let missing = places(&["a", "a/none", "a/none/of"]);
    assert_eq!(watched("a/none/of/gateway.yaml"), missing, "where the first that is missing would be");
}

#[tokio::test]
async fn a_folder_further_up_that_is_another_one_now_is_seen() {
    let folder = Folder::new("moved");
    let paths = [folder.path("a/b")];
    let mut watch = Watch::new();
    watch.follow(&paths, std::iter::empty());
    assert!(!watch.has_moved());
    fs::rename(folder.path("a"), folder.path("old")).expect("there");
    fs::create_dir_all(folder.path("a/b")).expect("gone before");
    watch.changed().await;
    assert!(watch.has_moved());
    assert!(watch.follow(&paths, std::iter::empty()), "the other folder is watched now");
    assert!(!watch.has_moved());
    fs::write(folder.path("a/b/gateway.yaml"), "").expect("writable");
    watch.changed().await;
}
