//! From texts to [`Resources`]: each document is decoded and checked by itself, and a bad one costs nobody else.

pub(crate) mod document;
mod file;
pub(crate) mod kinds;
mod split;
#[cfg(test)]
mod tests;

use crate::problems::Problems;
use crate::resources::{DocumentPlace, ObjectKey, Origin, Resources};
use crate::source::Source;
use crate::yaml::path::FieldPath;
use crate::yaml::{Mark, Node, Value};
use document::{AnyObject, Found, Item, Noted};
use file::{Fault, File, Used, UsedPlace};
use foldhash::fast::RandomState;
use irongate_config::{Position, Problem, Severity};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Reads texts. What cannot be understood is a [`Problem`] and is not in the [`Resources`].
///
/// A text may hold any number of documents, separated by `---`, and a document may be a list of objects
/// (`kind: List`). Sources and documents are read in the order given, and of two objects of one kind and name the
/// first counts. The work is bounded by the length of the texts, and hostile text is a problem like any other.
#[must_use]
pub fn read(sources: &[Source]) -> (Resources, Vec<Problem>) {
    Reader::default().read(sources)
}

/// Reads the same files again and again, as they change.
///
/// A document whose text stays the same is not read again, and its objects stay the same by pointer. What breaks keeps
/// its last good form:
///
/// - An object that cannot be decoded or that its checks refuse: its own, by kind and name, wherever it was.
/// - A file that cannot be read, or that has a document of which nobody knows what it should be (half-written or broken
///   YAML): the objects that were read from it before and that are nowhere now.
///
/// An object that is gone from a whole file is gone, and so are those of a file that is gone. A good object always
/// counts before a former one of its name.
#[derive(Debug, Default)]
pub struct Reader {
    files: Vec<File>,
}

impl Reader {
    /// Reads all files that there are now.
    #[must_use]
    pub fn read(&mut self, sources: &[Source]) -> (Resources, Vec<Problem>) {
        let formers = std::mem::take(&mut self.files);
        let by_name: HashMap<&str, &File> = formers.iter().map(|file| (&*file.name, file)).collect();
        let mut room = Problems::MOST;
        let mut files = Vec::with_capacity(sources.len());
        for source in sources {
            let file = File::read(source, by_name.get(&*source.name).copied(), room);
            let problems: usize = file.items().map(|(_, item)| item.problems.len()).sum();
            room = room.saturating_sub(problems);
            files.push(file);
        }
        let formers = Formers::new(&files, &formers, by_name);
        let mut assembly = Assembly::default();
        let used: Vec<Vec<Used>> = files.iter().map(|file| assembly.file(file, &formers)).collect();
        let Assembly { resources, problems, .. } = assembly;
        drop(formers);
        for (file, used) in files.iter_mut().zip(used) {
            file.used = used;
        }
        self.files = files;
        (resources, problems.finish())
    }
}

/// The node of an object in its document, and the place of a field there.
pub(crate) fn locate(root: &Node<'_>, origin: Origin, path: &FieldPath) -> Mark {
    path.find(object_node(root, origin))
}

pub(crate) fn object_node<'n, 'a>(root: &'n Node<'a>, origin: Origin) -> &'n Node<'a> {
    let item = origin.item.and_then(|item| match &root.get("items")?.value {
        Value::Sequence(items) => items.get(item as usize),
        _ => None,
    });
    item.unwrap_or(root)
}

/// What was in use before; empty if nothing is broken now.
#[derive(Default)]
struct Formers<'f> {
    /// By name, those of which something may be kept.
    files: HashMap<&'f str, &'f File>,
    used: HashMap<&'f ObjectKey, (&'f File, &'f Used)>,
    /// What is declared now, well or not.
    declared: HashSet<&'f ObjectKey>,
    /// What is declared now and good.
    good: HashSet<&'f ObjectKey>,
}

impl<'f> Formers<'f> {
    fn new(files: &'f [File], formers: &'f [File], by_name: HashMap<&'f str, &'f File>) -> Self {
        let is_broken = |item: &Item| matches!(item.found, Found::Broken | Found::Unusable(..));
        if files.iter().all(|file| file.fault.is_none() && !file.items().any(|(_, item)| is_broken(item))) {
            return Self::default();
        }
        let mut found = Self { files: by_name, ..Self::default() };
        for file in formers {
            found.used.extend(file.used.iter().map(|used| (used.object.key(), (file, used))));
        }
        for (_, item) in files.iter().flat_map(File::items) {
            match &item.found {
                Found::Object(object) => {
                    found.good.insert(object.key());
                    found.declared.insert(object.key());
                }
                Found::Unusable(key, _) => {
                    found.declared.insert(key);
                }
                Found::Broken | Found::Nothing => {}
            }
        }
        found
    }

    /// What a broken file keeps: by the object of its own that was before it, if there was one.
    fn kept(&self, file: &'f File) -> HashMap<Option<&'f ObjectKey>, Vec<(&'f File, &'f Used)>> {
        let mut kept: HashMap<_, Vec<_>> = HashMap::new();
        let former = if file.is_whole() { None } else { self.files.get(&*file.name) };
        let Some(former) = former else { return kept };
        let own: HashSet<&ObjectKey> = file.keys().collect();
        let mut before = None;
        for used in &former.used {
            let key = used.object.key();
            if own.contains(key) {
                before = Some(key);
            } else if !self.declared.contains(key) {
                kept.entry(before).or_default().push((*former, used));
            }
        }
        kept
    }
}

/// Resources in the making.
#[derive(Default)]
struct Assembly<'f> {
    resources: Resources,
    problems: Problems,
    /// Where each object was declared first.
    declared: HashMap<&'f ObjectKey, Origin, RandomState>,
    order: u32,
}

impl<'f> Assembly<'f> {
    /// Takes what a file declares and what it keeps; gives what is in use of it.
    fn file(&mut self, file: &'f File, formers: &Formers<'f>) -> Vec<Used> {
        let mut used = Vec::new();
        let mut kept = formers.kept(file);
        if let Some(fault) = &file.fault {
            self.fault(file, fault);
        }
        self.kept_with_file(file, &kept);
        self.keep(kept.remove(&None), &mut used);
        let mut last = None;
        for (document, item) in file.items() {
            let lines_before = file.documents[document].span.lines_before;
            for Noted { mark, problem } in &item.problems {
                let position = position(file, lines_before, *mark);
                self.problems.push(|| Problem { position: Some(position), ..problem.clone() });
            }
            match &item.found {
                Found::Object(object) => {
                    let key = object.key();
                    let origin = self.origin(file, document, item, &mut last);
                    if self.is_duplicate(key, || position(file, lines_before, item.mark)) {
                        continue;
                    }
                    let place = UsedPlace::Here { document, offset: item.offset, line: item.line };
                    self.add(object.clone(), key, origin);
                    used.push(Used { object: object.clone(), item: item.item, place });
                    self.keep(kept.remove(&Some(key)), &mut used);
                }
                Found::Unusable(key, stand_in) => {
                    if formers.good.contains(key) || self.declared.contains_key(key) {
                        continue;
                    }
                    if let Some(former) = formers.used.get(key) {
                        self.kept_object(key, position(file, lines_before, item.mark));
                        self.keep(Some(vec![*former]), &mut used);
                    } else if let Some(object) = stand_in {
                        let origin = self.origin(file, document, item, &mut last);
                        // It is no good form to keep later, so that it is not in use.
                        self.add(object.clone(), key, origin);
                    } else {
                        self.resources.unusable.push(key.clone());
                    }
                }
                Found::Broken | Found::Nothing => {}
            }
        }
        for document in &file.documents {
            self.problems.count_more(document.outcome.more);
        }
        used
    }

    fn add(&mut self, object: Arc<dyn AnyObject>, key: &'f ObjectKey, origin: Origin) {
        self.declared.insert(key, origin);
        object.add(self.order, origin, &mut self.resources);
        self.order += 1;
    }

    /// Takes former objects.
    fn keep(&mut self, kept: Option<Vec<(&'f File, &'f Used)>>, used: &mut Vec<Used>) {
        for (former, one) in kept.into_iter().flatten() {
            let key = one.object.key();
            let place = match &one.place {
                UsedPlace::Former(place) => place.clone(),
                UsedPlace::Here { document, offset, line } => {
                    let Some(place) = former.place(*document, *offset, *line) else { continue };
                    Arc::new(place.detached())
                }
            };
            let origin = Origin { document: self.document(DocumentPlace::clone(&place)), item: one.item };
            self.add(one.object.clone(), key, origin);
            used.push(Used { place: UsedPlace::Former(place), ..one.clone() });
        }
    }

    /// The origin of an item. Those of one document, which stand together, share it.
    fn origin(
        &mut self,
        file: &File,
        document: usize,
        item: &Item,
        last: &mut Option<(usize, usize, u32)>,
    ) -> Origin {
        let number = match *last {
            Some((known, offset, number)) if (known, offset) == (document, item.offset) => number,
            _ => match file.place(document, item.offset, item.line) {
                Some(place) => self.document(place),
                None => u32::MAX,
            },
        };
        *last = Some((document, item.offset, number));
        Origin { document: number, item: item.item }
    }

    fn document(&mut self, place: DocumentPlace) -> u32 {
        let number = u32::try_from(self.resources.documents.len()).unwrap_or(u32::MAX);
        self.resources.documents.push(place);
        number
    }

    fn is_duplicate(&mut self, key: &ObjectKey, position: impl FnOnce() -> Position) -> bool {
        let Some(first) = self.declared.get(key) else { return false };
        let first = match self.resources.documents.get(first.document as usize) {
            Some(place) => format!("{}:{}", place.file, place.line),
            None => "this document".into(),
        };
        let message = format!("is declared already in the document at {first}; that one counts");
        self.problems.push(|| Problem {
            severity: Severity::Error,
            position: Some(position()),
            resource: key.to_string(),
            field: String::new(),
            reason: "Duplicate",
            message,
            advice: "Rename or remove one.".into(),
        });
        true
    }

    fn fault(&mut self, file: &File, fault: &Fault) {
        self.problems.push(|| Problem {
            severity: Severity::Error,
            position: Some(Position { file: file.name.clone(), line: fault.line, column: 1 }),
            resource: String::new(),
            field: String::new(),
            reason: fault.reason,
            message: fault.message.clone(),
            advice: fault.advice.into(),
        });
    }

    /// Says that a former object stays in use.
    fn kept_object(&mut self, key: &ObjectKey, position: Position) {
        self.problems.push(|| Problem {
            severity: Severity::Warning,
            position: Some(position),
            resource: key.to_string(),
            field: String::new(),
            reason: LAST_GOOD_FORM,
            message: "its former version, which was good, stays in use".into(),
            advice: "Mend this one.".into(),
        });
    }

    /// Says which objects a broken file keeps.
    fn kept_with_file(&mut self, file: &File, kept: &HashMap<Option<&ObjectKey>, Vec<(&File, &Used)>>) {
        let mut names: Vec<String> =
            kept.values().flatten().map(|(_, used)| used.object.key().to_string()).collect();
        if names.is_empty() {
            return;
        }
        names.sort_unstable();
        let count = names.len();
        let mut list = names[..count.min(NAMED)].join(", ");
        if count > NAMED {
            list = format!("{list} and {} more", count - NAMED);
        }
        self.problems.push(|| Problem {
            severity: Severity::Warning,
            position: Some(Position { file: file.name.clone(), line: 1, column: 1 }),
            resource: String::new(),
            field: String::new(),
            reason: LAST_GOOD_FORM,
            message: format!("the file is broken; what was read from it before stays in use: {list}"),
            advice: "Mend the file.".into(),
        });
    }
}

/// The reason of problems which say that a former version stays in use.
const LAST_GOOD_FORM: &str = "LastGoodForm";
/// Objects of a broken file that are named in its problem.
const NAMED: usize = 5;

fn position(file: &File, lines_before: u32, mark: Mark) -> Position {
    let Mark { line, column } = mark;
    Position { file: file.name.clone(), line: line.saturating_add(lines_before), column }
}
