//! Writes log lines from a separate thread, so that polls and scrapes never wait until the log is read.
//!
//! While nobody reads the log, lines wait in a queue. If the queue is full, further lines are dropped and counted.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// The size of the queue: enough for one line about each tunnel of a large company, if all change together.
const MAX_LINES: usize = 10_000;

/// How long the end of the program waits until the log is written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

enum Message {
    Line(Box<[u8]>),
    /// Requests a notification after all earlier lines are written.
    Flush(SyncSender<()>),
}

/// Queues lines: each `write` is one line.
#[derive(Debug, Clone)]
pub(super) struct LineWriter {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

/// When it is dropped, waits until the queued lines are written, at most one second.
#[derive(Debug)]
pub struct LogFlusher(SyncSender<Message>);

/// Starts the thread that writes to `destination`.
pub(super) fn in_background(
    destination: impl Write + Send + 'static,
) -> io::Result<(LineWriter, LogFlusher)> {
    let (queue, messages) = mpsc::sync_channel(MAX_LINES);
    let writer = LineWriter { queue: queue.clone(), dropped: Arc::default() };
    let dropped = Arc::clone(&writer.dropped);
    let write = move || write_all(&messages, destination, &dropped);
    thread::Builder::new().name("log".to_owned()).spawn(write)?;
    Ok((writer, LogFlusher(queue)))
}

fn write_all(messages: &Receiver<Message>, mut destination: impl Write, dropped: &AtomicU64) {
    let mut reported = 0;
    while let Ok(message) = messages.recv() {
        // An error of the log cannot be logged.
        let _ = match message {
            Message::Line(line) => destination.write_all(&line),
            Message::Flush(done) => done.try_send(()).map_err(io::Error::other),
        };
        let lines = dropped.load(Relaxed);
        if lines > reported {
            // If this line is dropped too, the count grows and the next iteration reports it.
            tracing::warn!(
                lines,
                "log lines were dropped because nobody read the log; lines is their total number"
            );
            reported = lines;
        }
    }
}

impl Drop for LogFlusher {
    fn drop(&mut self) {
        let (done, flushed) = mpsc::sync_channel(1);
        // If the queue is full, the log is read too slowly or not at all: do not wait.
        if self.0.try_send(Message::Flush(done)).is_ok() {
            let _ = flushed.recv_timeout(FLUSH_TIMEOUT);
        }
    }
}

impl Write for LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Line(line.into())).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LineWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks until a line is taken from the other end.
    struct Rendezvous(SyncSender<Vec<u8>>);

    impl Write for Rendezvous {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.send(line.to_vec()).map_err(io::Error::other)?;
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_beyond_the_queue_are_dropped() {
        let (sender, lines) = mpsc::sync_channel(0);
        let (mut writer, flusher) = in_background(Rendezvous(sender)).expect("a thread");
        for number in 0..MAX_LINES + 5 {
            write!(writer, "{number}").expect("it never fails");
        }
        // The thread may have taken one line already.
        let dropped = writer.dropped.load(Relaxed);
        assert!((4..=5).contains(&dropped), "{dropped}");
        assert_eq!(lines.recv().expect("a line"), b"0");
        drop(lines);
        drop(flusher);
    }

    #[test]
    fn dropped_flusher_waits_for_the_last_line() {
        let (sender, lines) = mpsc::sync_channel(MAX_LINES);
        let (mut writer, flusher) = in_background(Rendezvous(sender)).expect("a thread");
        writer.write_all(b"last").expect("it never fails");
        drop(flusher);
        assert_eq!(lines.try_recv().expect("a line"), b"last");
    }
}
