//! The process's limit on file descriptors.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit to the hard one, and tells how many descriptors there may be.
pub(crate) fn raise_descriptors() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Lowering is never meant; not being allowed to raise leaves what there is.
    if current < maximum || maximum.is_none() {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
    let now = getrlimit(Resource::Nofile).current;
    usize::try_from(now.unwrap_or(1 << 20)).unwrap_or(1 << 20)
}
