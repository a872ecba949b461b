//! Showing text again and again.

use rustix::termios::tcgetwinsize;
use std::io::{self, IsTerminal as _, Write as _};

/// Where the demo shows its table: on a terminal it is redrawn in place; elsewhere (a file, a pipe) each turn
/// adds lines.
#[derive(Debug)]
pub(crate) struct Screen {
    live: bool,
    shown: usize,
}

impl Screen {
    /// The standard output.
    pub(crate) fn stdout() -> Self {
        Self { live: io::stdout().is_terminal(), shown: 0 }
    }

    /// How many characters a line may have: the terminal's width, else 80.
    pub(crate) fn width(&self) -> usize {
        let size = self.live.then(|| tcgetwinsize(io::stdout()).ok()).flatten();
        size.map(|size| usize::from(size.ws_col)).filter(|&width| width > 0).unwrap_or(80)
    }

    /// Shows a text whose lines fit the width. Its first line heads the others.
    ///
    /// # Errors
    /// When the standard output cannot be written to: a closed pipe, say.
    pub(crate) fn show(&mut self, text: &str) -> io::Result<()> {
        let frame = self.frame(text);
        let mut stdout = io::stdout().lock();
        stdout.write_all(frame.as_bytes())?;
        stdout.flush()
    }

    /// What to write for a text. On a terminal: up to where the last one began, then line by line over it, then
    /// the rest of the screen is cleared (ECMA-48: CUU, EL, ED). Elsewhere the heading comes once.
    fn frame(&mut self, text: &str) -> String {
        let first = self.shown == 0;
        let up = std::mem::replace(&mut self.shown, text.lines().count());
        if !self.live {
            return text.lines().skip(usize::from(!first)).flat_map(|line| [line, "\n"]).collect();
        }
        let mut frame = if up == 0 { String::new() } else { format!("\x1b[{up}A\r") };
        for line in text.lines() {
            frame.extend([line, "\x1b[K\n"]);
        }
        frame + "\x1b[J"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_redrawn_and_files_grow() {
        let mut terminal = Screen { live: true, shown: 0 };
        assert_eq!(terminal.frame("head\none\n"), "head\x1b[K\none\x1b[K\n\x1b[J");
        assert_eq!(terminal.frame("head\n"), "\x1b[2A\rhead\x1b[K\n\x1b[J");
        assert_eq!(terminal.frame("head\n"), "\x1b[1A\rhead\x1b[K\n\x1b[J");
        let mut file = Screen { live: false, shown: 0 };
        assert_eq!(file.frame("head\none\n"), "head\none\n");
        assert_eq!(file.frame("head\ntwo\n"), "two\n");
    }
}
