//! `docs/configuration.md` says what the schemas say: run with `UPDATE_GOLDEN=1` (or `cargo xtask docs`) to write it anew.

#[path = "reference/render.rs"]
mod render;

use irongate_translate::schema;
use std::path::Path;

#[test]
fn the_reference_is_what_the_types_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let found = render::reference(&schema::kinds());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &found).expect("writable");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == written, "docs/configuration.md is stale: run `cargo xtask docs`");
}
