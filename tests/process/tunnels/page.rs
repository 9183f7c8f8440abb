//! The page for operators: its commands print the output that it shows.

use std::time::Duration;

use simulator::Options;
use tokio::process::Command;

use super::{
    pty::Terminal,
    setup::{FRANKFURT, GUANGZHOU, PROMPT, without_seconds},
};
use test_support::{Api, binary::exporter, region};

const PAGE: &str = include_str!("../../../docs/operators.md");

/// Each command of the page and its output.
fn documented_commands() -> Vec<(Vec<String>, String)> {
    let page = PAGE.replace("\\\n", " ");
    let blocks = page.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("console\n"));
    let runs = blocks.flat_map(|block| block.split("$ tencentcloud-vpn-exporter ").skip(1));
    let run = |text: &str| {
        let (command, output) = text.split_once('\n').expect("a line");
        (command.split_whitespace().map(str::to_owned).collect(), output.to_owned())
    };
    runs.map(run)
        .filter(|(words, _): &(Vec<String>, _)| words[0] == "tunnels" || words[0] == "gateways")
        .collect()
}

/// The API of the page, with a very slow clock and immediate deletions.
async fn api() -> Api {
    let regions = [GUANGZHOU, FRANKFURT].map(region);
    let regions = Options::spread(6, &regions);
    Api::start(Options { regions, speed: 0.001, deletion: Duration::ZERO, ..Options::default() }).await
}

fn command(api: &Api, words: &[String]) -> Command {
    let mut command = exporter(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let credentials = api.control.credentials();
    command
        .env("TENCENTCLOUD_SECRET_ID", &credentials.secret_id)
        .env("TENCENTCLOUD_SECRET_KEY", &credentials.secret_key)
        .env("TENCENTCLOUD_REGION", "ap-guangzhou,eu-frankfurt")
        .env("TENCENTCLOUD_VPN_EXPORTER__API__ENDPOINT", format!("http://{}", api.address))
        .env("NO_COLOR", "1");
    command
}

/// The text on a screen, with an `N` for each age and number of seconds, and `DATE` for each date of expiry.
fn without_changing_numbers(text: &str) -> String {
    let lines = text.lines().map(|line| line.rsplit("\r\u{1b}[2K").next().unwrap_or_default());
    let line = |line: &str| match line.rsplit_once(' ') {
        Some((rest, age)) if age.ends_with('d') && age[..age.len() - 1].parse::<u32>().is_ok() => {
            format!("{rest} Nd\n")
        }
        _ => format!("{line}\n"),
    };
    without_dates(&without_seconds(&lines.map(line).collect::<String>()))
}

fn without_dates(text: &str) -> String {
    let is_date = |word: &str| word.len() == 10 && word.split('-').all(|part| part.parse::<u32>().is_ok());
    let words = text.split(' ').map(|word| if is_date(word) { "DATE" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn documents_show_the_output_of_the_commands() {
    let runs = documented_commands();
    assert!(runs.len() >= 6, "{runs:?}");
    let api = api().await;
    for (words, expected) in runs {
        let mut terminal = Terminal::start(command(&api, &words));
        if let Some((_, rest)) = expected.split_once(PROMPT) {
            terminal.wait_for_text(PROMPT).await;
            terminal.type_text(&format!("{}\n", rest.lines().next().expect("what is typed")));
        }
        let (_, screen) = terminal.wait().await;
        assert_eq!(without_changing_numbers(&screen), without_changing_numbers(&expected), "{words:?}");
    }
}
