//! Configuration files: which there are, and what is in them.

use anyhow::{Context, bail};
use irongate_translate::Source;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes.
const LARGEST: u64 = Source::MAX_BYTES as u64;
/// The most files of a folder.
const MOST: usize = 10_000;

/// Reads every file that the paths name; those of a folder by name.
///
/// # Errors
/// A path or a file that cannot be read, or is too large; the message names it.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in paths {
        for file in files_of(path)? {
            sources.push(Source::new(file.display().to_string(), read_file(&file)?));
        }
    }
    Ok(sources)
}

fn files_of(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let about = || format!("cannot read {}", path.display());
    if !fs::metadata(path).with_context(about)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(about)? {
        let file = entry.with_context(about)?.path();
        if is_configuration(&file) {
            files.push(file);
        }
    }
    if files.len() > MOST {
        bail!("{} holds {} files; at most {MOST} are read", path.display(), files.len());
    }
    if files.is_empty() {
        tracing::warn!(folder = %path.display(), "the folder holds no .yaml or .yml file");
    }
    files.sort();
    Ok(files)
}

/// `*.yaml` and `*.yml`, but for hidden files, which editors and atomic replacements leave.
fn is_configuration(file: &Path) -> bool {
    let hidden = file.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let ending = file.extension().and_then(|ending| ending.to_str());
    !hidden && matches!(ending, Some("yaml" | "yml")) && file.is_file()
}

fn read_file(file: &Path) -> anyhow::Result<String> {
    let about = || format!("cannot read {}", file.display());
    let opened = fs::File::open(file).with_context(about)?;
    let mut text = String::new();
    let length = opened.take(LARGEST + 1).read_to_string(&mut text).with_context(about)?;
    if length as u64 > LARGEST {
        bail!("{} is larger than {} MiB", file.display(), LARGEST >> 20);
    }
    Ok(text)
}
