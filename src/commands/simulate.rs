//! `simulate`: runs only the embedded VPC API, for any client.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use simulator::{Fault, Options, Simulator, StartError};
use tokio::task::spawn_blocking;

use super::{
    error::{CommandError, usage},
    output::print,
    signals::Signals,
};
use crate::{cli::SimulateFlags, logging};

pub(super) async fn run(flags: &SimulateFlags, signals: Signals) -> Result<(), CommandError> {
    logging::start(&flags.log.level, flags.log.format);
    let Some(faults) = signals.shutdown.run_until_cancelled(faults(flags.faults.clone())).await else {
        return Ok(());
    };
    let options = Options {
        regions: Options::spread(flags.world.tunnels, &flags.world.regions),
        seed: flags.world.seed,
        frozen: flags.frozen,
        speed: flags.speed,
        latency: flags.latency.unwrap_or_default(),
        requests_per_second: flags.requests_per_second,
        faults: faults.map_err(usage)?,
        gateway_problems: Some(flags.gateway_problem.clone()).filter(|problems| !problems.is_empty()),
        ..Options::default()
    };
    let simulator = bind(options, flags.listen_address).await?;
    let credentials = simulator.credentials().clone();
    let lines = format!(
        "# The VPC API is at http://{}\nexport TENCENTCLOUD_SECRET_ID={}\nexport TENCENTCLOUD_SECRET_KEY={}\n",
        simulator.local_addr(),
        credentials.secret_id,
        credentials.secret_key
    );
    print(lines.as_bytes())?;
    simulator.run(signals.shutdown.cancelled_owned()).await;
    Ok(())
}

/// Starts the embedded API. Conflicting options are a usage error.
pub(super) async fn bind(options: Options, address: SocketAddr) -> Result<Simulator, CommandError> {
    Simulator::bind(options, address).await.map_err(|error| match error {
        StartError::Options(problem) => usage(problem),
        error @ StartError::Listen { .. } => error.into(),
    })
}

/// Reads the list of faults on another thread: the file's mount may not respond.
async fn faults(file: Option<PathBuf>) -> Result<Vec<Fault>, String> {
    let Some(file) = file else { return Ok(Vec::new()) };
    spawn_blocking(move || read_faults(&file)).await.expect("reading a file does not panic")
}

/// Reads a list of faults. The simulator checks whether they are possible.
fn read_faults(file: &Path) -> Result<Vec<Fault>, String> {
    let place = file.display();
    let text = fs::read_to_string(file)
        .map_err(|error| format!("--faults: {place}: {error}; name a file that can be read"))?;
    serde_json::from_str(&text).map_err(|error| {
        format!(r#"--faults: {place}: {error}; write a JSON list of faults, such as [{{"kind": "reset"}}]"#)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use simulator::FaultKind;

    #[test]
    fn wrong_list_of_faults_has_place_and_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("faults.json");
        let read = |text: &str| {
            fs::write(&file, text).expect("a file");
            read_faults(&file)
        };
        let reset = Fault::new(FaultKind::Reset);
        assert_eq!(read(r#"[{"kind": "reset"}]"#), Ok(vec![reset]));
        for (text, place) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("[{\"kind\":\n\"rest\"}]", "unknown variant `rest`"),
            ("[{\"kind\": \"reset\", \"regions\": \"eu\"}]", "unknown field `regions`"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.starts_with(&format!("--faults: {}: {place}", file.display())), "{error}");
            assert!(
                error.ends_with(r#"; write a JSON list of faults, such as [{"kind": "reset"}]"#),
                "{error}"
            );
        }
        let absent = read_faults(&folder.path().join("none.json")).expect_err("no file");
        assert!(absent.contains("none.json: No such file") && absent.contains("name a file"), "{absent}");
    }
}
