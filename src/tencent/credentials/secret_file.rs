//! Reads files with secrets, and zeroes the buffers.
//!
//! A mount that does not respond blocks the thread that reads the file, and the thread cannot be stopped. So each read has its
//! own thread and a time-out, and does not wait for an earlier read.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{Instant, timeout},
};
use zeroize::Zeroizing;

use super::source::SourceError;
use crate::{
    domain::secret::Secret,
    regular_file::{self, ReadError},
};

/// The time limit of one read.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

type Bytes = Result<Zeroizing<Vec<u8>>, ReadError>;

/// A file with a secret.
#[derive(Debug)]
pub(super) struct SecretFile {
    path: PathBuf,
    read: fn(&Path) -> Result<Vec<u8>, ReadError>,
    hung: Mutex<HungReads>,
}

/// Reads that did not end in time. Each one still blocks its thread.
#[derive(Debug, Default)]
struct HungReads {
    reads: Vec<JoinHandle<Bytes>>,
    /// While reads hang, the next read starts at this time or later.
    next_read: Option<Instant>,
}

impl SecretFile {
    /// The file at `path`. It may not exist yet.
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), read: regular_file::read, hung: Mutex::default() }
    }

    /// The path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The content as a secret, without the white space around it.
    pub(super) async fn secret(&self) -> Result<Secret, SourceError> {
        let text = self.text().await?;
        match text.trim() {
            "" => Err(self.failed("it is empty; it must contain the secret")),
            secret => Secret::key(secret).map_err(|problem| self.failed(format_args!("it {problem}"))),
        }
    }

    /// The file's text. A missing file is [`SourceError::Absent`].
    pub(super) async fn text(&self) -> Result<Zeroizing<String>, SourceError> {
        let mut read = self.begin()?;
        let Ok(done) = timeout(READ_TIMEOUT, &mut read).await else {
            self.abandon(read);
            return Err(self.timed_out());
        };
        let bytes = done.expect("reading a file does not panic").map_err(|error| self.unreadable(&error))?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(Zeroizing::new(text.to_owned())),
            Err(_) => Err(self.failed("it is not UTF-8 text")),
        }
    }

    fn begin(&self) -> Result<JoinHandle<Bytes>, SourceError> {
        let mut hung = self.hung();
        hung.reads.retain(|read| !read.is_finished());
        if !hung.reads.is_empty() && hung.next_read.is_some_and(|next| Instant::now() < next) {
            return Err(self.timed_out());
        }
        let (path, read) = (self.path.clone(), self.read);
        Ok(spawn_blocking(move || read(&path).map(Zeroizing::new)))
    }

    /// The pause doubles with each hung read, so a mount that hangs for a day blocks about ten threads.
    fn abandon(&self, read: JoinHandle<Bytes>) {
        let mut hung = self.hung();
        hung.next_read = Some(Instant::now() + READ_TIMEOUT * (1_u32 << hung.reads.len().min(20)));
        hung.reads.push(read);
    }

    fn hung(&self) -> MutexGuard<'_, HungReads> {
        // The lock cannot be poisoned: no code that holds it panics.
        self.hung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn timed_out(&self) -> SourceError {
        let seconds = READ_TIMEOUT.as_secs();
        self.failed(format_args!("reading it takes longer than {seconds} s; check its mount"))
    }

    fn unreadable(&self, error: &ReadError) -> SourceError {
        match error {
            ReadError::Io(error) if is_missing(error) => SourceError::Absent(format!(
                "{}: there is no such file; create it, or correct the path",
                self.path.display()
            )),
            ReadError::Io(error) => {
                self.failed(format_args!("{error}; this process must be able to read it"))
            }
            ReadError::TooLarge => self.failed(format_args!("{error}; check the path")),
            ReadError::Directory | ReadError::NotRegular => self.failed(error),
        }
    }

    fn failed(&self, problem: impl std::fmt::Display) -> SourceError {
        SourceError::Failed(format!("{}: {problem}", self.path.display()))
    }
}

/// Whether the file does not exist. A folder in its path may be a file: `HOME` may be `/dev/null`.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use tokio::time::advance;

    use super::*;

    /// A file whose reads hang while a pipe is in its place.
    fn hanging(path: &Path) -> SecretFile {
        let read = |path: &Path| Ok(fs::read(path)?);
        SecretFile { read, ..SecretFile::new(path) }
    }

    /// Makes reads of a file hang, and ends them when it is dropped.
    struct Pipe<'a> {
        file: &'a SecretFile,
        /// Another name of the pipe, which stays when the file is replaced.
        name: PathBuf,
    }

    impl<'a> Pipe<'a> {
        fn at(file: &'a SecretFile) -> Self {
            let name = file.path.with_extension("pipe");
            assert!(Command::new("mkfifo").arg(&name).status().expect("mkfifo can be run").success());
            fs::hard_link(&name, &file.path).expect("another name");
            Self { file, name }
        }
    }

    impl Drop for Pipe<'_> {
        fn drop(&mut self) {
            // A read that waits for a writer gets an empty file. A thread can begin its read late, so this is repeated.
            while !self.file.hung().reads.iter().all(JoinHandle::is_finished) {
                drop(fs::OpenOptions::new().read(true).write(true).open(&self.name));
                std::thread::yield_now();
            }
        }
    }

    async fn problem_after_the_time_out(file: &SecretFile) -> String {
        let (result, ()) = tokio::join!(file.secret(), advance(READ_TIMEOUT + Duration::from_secs(1)));
        result.expect_err("a time-out").to_string()
    }

    #[tokio::test]
    async fn path_through_a_file_is_absent() {
        let file = SecretFile::new("/dev/null/.tencentcloud/credentials");
        assert!(matches!(file.text().await, Err(SourceError::Absent(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn hung_file_is_named_and_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let file = hanging(&path);
        let _pipe = Pipe::at(&file);
        let expected = format!("{}: reading it takes longer than 10 s; check its mount", path.display());
        assert_eq!(problem_after_the_time_out(&file).await, expected);
        fs::remove_file(&path).expect("a pipe");
        fs::write(&path, "good\n").expect("a file");
        advance(READ_TIMEOUT).await;
        assert_eq!(file.secret().await.expect("a secret").expose(), "good");
    }

    #[tokio::test(start_paused = true)]
    async fn hung_file_occupies_few_threads() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let file = hanging(&path);
        let _pipe = Pipe::at(&file);
        let start = Instant::now();
        while start.elapsed() < Duration::from_hours(24) {
            problem_after_the_time_out(&file).await;
            assert!(file.hung().reads.len() < 16, "{:?}", file.hung());
        }
        assert!(file.hung().reads.len() >= 2, "a later load is a new attempt");
    }
}
