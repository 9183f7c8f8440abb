//! A pseudo-terminal.

use std::{
    fs::File,
    io::{Read, Write},
    process::Stdio,
};

use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use tokio::{
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

use test_support::MAX_WAIT;

/// A program on its own terminal; dropping it kills the program.
pub struct Terminal {
    child: Child,
    keyboard: File,
    /// All output, with the typed characters.
    screen: watch::Receiver<String>,
}

impl Terminal {
    /// Starts the program.
    pub fn start(mut command: Command) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags).expect("a pseudo-terminal");
        unlockpt(&ours).expect("it can be unlocked");
        let theirs = File::from(ioctl_tiocgptpeer(&ours, flags).expect("its other end"));
        let end = || Stdio::from(theirs.try_clone().expect("another handle"));
        let child = command.stdin(end()).stdout(end()).stderr(end()).kill_on_drop(true).spawn();
        let keyboard = File::from(ours);
        let screen = read_screen(keyboard.try_clone().expect("another handle"));
        Self { child: child.expect("the program starts"), keyboard, screen }
    }

    /// Waits for this output.
    pub async fn wait_for_text(&mut self, words: &str) {
        let wait = self.screen.wait_for(|screen| screen.contains(words));
        let is_shown = matches!(timeout(MAX_WAIT, wait).await, Ok(Ok(_)));
        assert!(is_shown, "no {words:?} in {:?}", *self.screen.borrow());
    }

    /// Types this.
    pub fn type_text(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("the terminal takes it");
    }

    /// The program's exit status and all output.
    pub async fn wait(mut self) -> (Option<i32>, String) {
        let status = timeout(MAX_WAIT, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("no end: {:?}", *self.screen.borrow()));
        while self.screen.changed().await.is_ok() {}
        (status.expect("it can be waited for").code(), self.screen.borrow().clone())
    }
}

/// Reads until the other end is closed.
fn read_screen(mut terminal: File) -> watch::Receiver<String> {
    let (screen, watched) = watch::channel(String::new());
    std::thread::spawn(move || {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        // On Linux, the end of a terminal is an error.
        while let Ok(read @ 1..) = terminal.read(&mut buffer) {
            bytes.extend_from_slice(&buffer[..read]);
            screen.send_replace(String::from_utf8_lossy(&bytes).into_owned());
        }
    });
    watched
}
