//! What commands print: to standard output, with colour only where a person looks.

use std::io::{IsTerminal as _, Write as _};

/// Writes to standard output. Whoever reads may stop reading: `irongate check … | head` is no error.
pub(crate) fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// How a text is set off from others. Plain where standard output is no terminal, or `NO_COLOR` is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    is_coloured: bool,
}

impl Style {
    /// As it suits standard output.
    pub(crate) fn stdout() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { is_coloured: std::io::stdout().is_terminal() && !unwanted }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.set("1", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.set("31", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.set("33", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.set("32", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.set("2", text)
    }

    fn set(self, code: &str, text: &str) -> String {
        if self.is_coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
