//! The queue of log lines that are not yet written. Logging never waits for the reader of standard error.
//!
//! A thread writes it. Where that is stuck, lines are lost once there is no more room for them, and counted.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// How much waits, in bytes: more than a line for each of 10,000 tunnels.
const MAX_BYTES: usize = 4 << 20;

/// How long the end waits for what is not yet written.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Lines that wait to be written. Dropping it waits a second for that, and no longer.
#[derive(Debug)]
pub struct Queue(Arc<Shared>);

/// Where events are written: each `write` is one line.
#[derive(Debug, Clone)]
pub(super) struct Entrance(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
    is_writing: bool,
    lost: u64,
}

impl Queue {
    /// Starts the thread that writes to `destination`.
    pub(super) fn to(destination: impl Write + Send + 'static) -> io::Result<(Self, Entrance)> {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_to(destination))?;
        Ok((Self(Arc::clone(&shared)), Entrance(shared)))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let is_left = |lines: &mut Lines| lines.is_writing || !lines.waiting.is_empty();
        drop(self.0.changed.wait_timeout_while(self.0.lines(), LAST_WAIT, is_left));
    }
}

impl Shared {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut destination: impl Write) {
        let mut told = 0;
        loop {
            // Nobody is left to tell of a failure to write.
            let _ = destination.write_all(&self.next());
            let lost = self.done();
            if let Some(lost) = lost.filter(|lost| *lost > told) {
                tracing::warn!(lines = lost - told, "lines of this log were lost: nobody read them in time");
                told = lost;
            }
        }
    }

    /// The next line, once there is one.
    fn next(&self) -> Vec<u8> {
        let mut lines = self.lines();
        loop {
            if let Some(line) = lines.waiting.pop_front() {
                lines.bytes -= line.len();
                lines.is_writing = true;
                return line;
            }
            lines = self.changed.wait(lines).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes that a line is written, and says how many were lost so far, if there is room to tell of it.
    fn done(&self) -> Option<u64> {
        let mut lines = self.lines();
        lines.is_writing = false;
        self.changed.notify_all();
        (lines.bytes < MAX_BYTES / 2).then_some(lines.lost)
    }
}

impl Write for Entrance {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lines();
        if lines.bytes + line.len() > MAX_BYTES {
            lines.lost += 1;
        } else {
            lines.bytes += line.len();
            lines.waiting.push_back(line.to_vec());
            self.0.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Entrance {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Takes a line only when it is let.
    struct Gate {
        opened: mpsc::Receiver<()>,
        taken: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.opened.recv().map_err(io::Error::other)?;
            self.taken.send(line.to_vec()).map_err(io::Error::other)?;
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_finds_no_room_is_lost_and_counted_and_nobody_waits() {
        let (open, opened) = mpsc::channel();
        let (taken, lines) = mpsc::channel();
        let (queue, mut entrance) = Queue::to(Gate { opened, taken }).expect("a thread");
        let line = vec![b'x'; 1 << 20];
        for _ in 0..7 {
            entrance.write_all(&line).expect("it never fails");
        }
        // Four fit, and one more where the thread has taken the first one already.
        let lost = queue.0.lines().lost;
        assert!((2..=3).contains(&lost), "{lost}");
        for _ in lost..7 {
            open.send(()).expect("the thread writes");
            assert_eq!(lines.recv().expect("a line"), line);
        }
        entrance.write_all(b"again").expect("it never fails");
        open.send(()).expect("the thread writes");
        assert_eq!(lines.recv().expect("a line"), b"again");
        drop(queue);
    }
}
