//! Reads configuration, key and certificate files: regular files of at most 1 MiB.
//!
//! Pipes and devices are refused because they may never end. This module depends on no other.

use std::{
    fs::OpenOptions,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::OFlags;

/// The largest file that is read, in bytes.
pub const MAX_BYTES: u64 = 1 << 20;

/// The reason why a file cannot be read. The message is printed after the file's name.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A directory.
    #[error("it is a directory; name a file in it")]
    Directory,
    /// A pipe, a socket or a device.
    #[error("it is a pipe, a socket or a device; put its content in a regular file")]
    NotRegular,
    /// More than [`MAX_BYTES`].
    #[error("it is larger than {} MiB", MAX_BYTES >> 20)]
    TooLarge,
    /// The system refuses to open or read it.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads the file. A symbolic link to a regular file is followed. This blocks while the file's mount does not respond.
pub fn read(path: &Path) -> Result<Vec<u8>, ReadError> {
    // Without this flag, opening a pipe waits for a writer.
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(ReadError::Directory);
    }
    if !metadata.is_file() {
        return Err(ReadError::NotRegular);
    }
    if metadata.len() > MAX_BYTES {
        return Err(ReadError::TooLarge);
    }
    // One byte more than the file size, so that the buffer is not reallocated: that would leave a copy of a secret in memory.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default() + 1);
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    // The file may have grown, and files in /proc have no length.
    if bytes.len() as u64 > MAX_BYTES { Err(ReadError::TooLarge) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        os::unix::{fs::symlink, net::UnixListener},
        process::Command,
    };

    use super::*;

    #[test]
    fn regular_file_is_read_through_links() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("..2024_01_01")).expect("a folder");
        fs::write(path("..2024_01_01/key"), "content").expect("a file");
        symlink("..2024_01_01", path("..data")).expect("a link");
        symlink("..data/key", path("key")).expect("a link");
        assert_eq!(read(&path("key")).expect("it is read"), b"content");
    }

    #[test]
    fn pipe_socket_and_device_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (pipe, socket) = (folder.path().join("pipe"), folder.path().join("socket"));
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo can be run").success());
        let _listener = UnixListener::bind(&socket).expect("a socket");
        for path in [&*pipe, Path::new("/dev/zero"), Path::new("/dev/null")] {
            assert!(matches!(read(path), Err(ReadError::NotRegular)), "{}", path.display());
        }
        // The system itself refuses to open a socket.
        assert!(matches!(read(&socket), Err(ReadError::Io(_))));
    }

    #[test]
    fn directory_and_missing_file_have_different_errors() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(read(folder.path()), Err(ReadError::Directory)));
        let missing = read(&folder.path().join("none"));
        assert!(matches!(missing, Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound));
    }

    #[test]
    fn file_of_1_mib_is_the_largest() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let file = File::create(&path).expect("a file");
        file.set_len(MAX_BYTES).expect("a length");
        assert_eq!(read(&path).expect("it is read").len() as u64, MAX_BYTES);
        file.set_len(MAX_BYTES + 1).expect("a length");
        assert!(matches!(read(&path), Err(ReadError::TooLarge)));
    }
}
