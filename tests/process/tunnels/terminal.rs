//! The commands on a pseudo-terminal: the prompt, the progress line and the colours.

use tokio::process::Command;

use super::{
    pty::Terminal,
    setup::{DELETE, LIST, PROMPT, Scene, without_seconds},
};

const GREEN: &str = "\u{1b}[32mup";
const RED: &str = "\u{1b}[1;31mdown";

#[tokio::test]
async fn right_id_deletes_the_tunnel() {
    let scene = Scene::with(1).await;
    let tunnel = scene.tunnel(0);
    let mut terminal = Terminal::start(scene.command(&tunnel, &[]));
    terminal.wait_for_text("WARNING: this tunnel is UP.").await;
    terminal.wait_for_text(PROMPT).await;
    assert_eq!(scene.requests(), [LIST], "nothing is deleted before the user answers");
    terminal.type_text(&format!(" {} \n", tunnel.id));
    scene.end_deletions_after(5).await;
    let (status, screen) = terminal.wait().await;
    assert_eq!(status, Some(0), "{screen}");
    let id = &tunnel.id;
    let after = screen.split_once(PROMPT).expect("the prompt").1;
    let progress = format!("\r\u{1b}[2KDeleting {id} … N s");
    let end = format!("\r\u{1b}[2K{id} was deleted after N s.\r\n");
    assert_eq!(without_seconds(after), format!(" {id} \r\n{progress}{progress}{end}"));
    assert_eq!(scene.requests(), [LIST, LIST, DELETE, LIST, LIST, LIST]);
}

#[tokio::test]
async fn wrong_id_deletes_nothing() {
    let scene = Scene::with(2).await;
    let (tunnel, other) = (scene.tunnel(0), scene.tunnel(1));
    let upper_case = tunnel.id.to_uppercase();
    for typed in [&*other.id, &tunnel.id[..12], &upper_case, "yes", "y", ""] {
        let mut terminal = Terminal::start(scene.command(&tunnel, &[]));
        terminal.wait_for_text(PROMPT).await;
        terminal.type_text(&format!("{typed}\n"));
        let (status, screen) = terminal.wait().await;
        let message = format!("Nothing was deleted: that is not {}.\r\n", tunnel.id);
        assert!(status == Some(1) && screen.ends_with(&message), "{typed:?}: {screen}");
    }
    let mut terminal = Terminal::start(scene.command(&tunnel, &[]));
    terminal.wait_for_text(PROMPT).await;
    terminal.type_text("\u{4}");
    let (status, screen) = terminal.wait().await;
    let message = format!("\r\nNothing was deleted: that is not {}.\r\n", tunnel.id);
    assert!(status == Some(1) && screen.ends_with(&message), "the end of input: {screen}");
    assert_eq!(scene.deletions(), 0);
}

#[tokio::test]
async fn tunnel_that_came_up_is_shown_again() {
    for (second, status, deletions) in [("no", 1, 0), ("", 0, 1)] {
        let scene = Scene::with(1).await;
        let tunnel = scene.tunnel(0);
        scene.set(&tunnel, "NetStatus", "UNAVAILABLE");
        let mut terminal = Terminal::start(scene.command(&tunnel, &["--no-wait"]));
        terminal.wait_for_text(PROMPT).await;
        scene.set(&tunnel, "NetStatus", "AVAILABLE");
        terminal.type_text(&format!("{}\n", tunnel.id));
        terminal.wait_for_text("The tunnel has changed:").await;
        terminal.wait_for_text("WARNING: this tunnel is UP.").await;
        assert_eq!(scene.deletions(), 0, "the prompt is shown again");
        terminal.type_text(&format!("{}{second}\n", tunnel.id));
        let (ended, screen) = terminal.wait().await;
        assert_eq!((ended, scene.deletions()), (Some(status), deletions), "{screen}");
        assert_eq!(screen.matches(PROMPT).count(), 2, "{screen}");
    }
}

#[tokio::test]
async fn yes_asks_nothing_on_a_terminal() {
    let scene = Scene::with(1).await;
    let terminal = Terminal::start(scene.command(&scene.tunnel(0), &["--yes", "--no-wait"]));
    let (status, screen) = terminal.wait().await;
    assert_eq!(status, Some(0), "{screen}");
    assert!(!screen.contains(PROMPT), "{screen}");
    assert_eq!(scene.deletions(), 1);
}

#[tokio::test]
async fn redirected_output_gets_no_question() {
    let scene = Scene::with(1).await;
    let mut command = Command::new("sh");
    let inner = scene.command(&scene.tunnel(0), &[]);
    let words = inner.as_std();
    command.args(["-c", "exec \"$0\" \"$@\" > out"]).arg(words.get_program()).args(words.get_args());
    command.current_dir(scene.files.folder());
    let (status, screen) = Terminal::start(command).wait().await;
    assert_eq!(status, Some(64), "{screen}");
    assert!(screen.starts_with("refused: this is not a terminal"), "{screen}");
    assert_eq!(scene.requests(), [""; 0]);
}

#[tokio::test]
async fn no_color_turns_colours_off() {
    let scene = Scene::with(2).await;
    scene.set(&scene.tunnel(0), "NegotiationType", "active");
    scene.set(&scene.tunnel(0), "NetStatus", "UNAVAILABLE");
    let list = async |variables: &[(&str, &str)]| {
        let mut command = scene.files.exporter(&["tunnels", "list"]);
        command.envs(variables.iter().copied());
        let (status, screen) = Terminal::start(command).wait().await;
        assert_eq!(status, Some(0), "{screen}");
        screen
    };
    for variables in [&[("TERM", "xterm")][..], &[("NO_COLOR", "")]] {
        let screen = list(variables).await;
        assert!(screen.contains(GREEN) && screen.contains(RED), "{variables:?}: {screen:?}");
    }
    let plain = list(&[("NO_COLOR", "1"), ("TERM", "xterm")]).await;
    assert!(plain.contains("down") && !plain.contains('\u{1b}'), "{plain:?}");
}
