//! What the daemon of one test says in its log.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing::{
    Dispatch, Level,
    subscriber::{DefaultGuard, NoSubscriber},
};
use tracing_subscriber::fmt::MakeWriter;

/// The log of this test's thread, in which a test's runtime does all its work, from now on.
pub struct Log {
    text: Text,
    _guard: DefaultGuard,
    /// With one subscriber alone, an event that another thread is first to reach is never logged.
    _second: Dispatch,
}

#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Begins to listen.
    pub fn capture() -> Self {
        let text = Text::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::INFO)
            .with_ansi(false)
            .with_writer(text.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        Self { text, _guard: guard, _second: Dispatch::new(NoSubscriber::default()) }
    }

    /// The lines that have all these words.
    pub fn lines(&self, words: &[&str]) -> Vec<String> {
        let text = String::from_utf8(self.text.0.lock().expect("no writer panics").clone()).expect("text");
        let fits = |line: &&str| words.iter().all(|word| line.contains(word));
        text.lines().filter(fits).map(str::to_owned).collect()
    }

    /// The one line that has all these words.
    #[track_caller]
    pub fn only_line(&self, words: &[&str]) -> String {
        let lines = self.lines(words);
        assert_eq!(lines.len(), 1, "lines with {words:?}: {lines:#?}");
        lines.into_iter().next().expect("it was counted")
    }
}

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Text {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
