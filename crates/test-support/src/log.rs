//! Captures the log of the daemon in one test.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing::{
    Dispatch, Level,
    subscriber::{DefaultGuard, NoSubscriber},
};
use tracing_subscriber::fmt::MakeWriter;

/// The log of this test's thread since `capture`. A test's runtime does all its work in that thread.
pub struct Log {
    text: Text,
    _guard: DefaultGuard,
    /// A second subscriber. With only one, tracing disables an event forever if a thread without a subscriber reaches it
    /// first.
    _second: Dispatch,
}

#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Starts to capture the log.
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

    /// The lines that contain all these words.
    pub fn lines(&self, words: &[&str]) -> Vec<String> {
        let text = String::from_utf8(self.text.0.lock().expect("no writer panics").clone()).expect("text");
        let fits = |line: &&str| words.iter().all(|word| line.contains(word));
        text.lines().filter(fits).map(str::to_owned).collect()
    }

    /// The only line that contains all these words.
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
