//! Tencent's official Python SDK, as tests call it.
//!
//! It is taken from the virtual environment that `PYTHON_ENV` names, or installed into one below `target/`.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use simulator::Credentials;

/// A Python interpreter with the SDK, and the endpoint that it calls.
pub struct Sdk {
    python: PathBuf,
    endpoint: String,
}

impl Sdk {
    /// The SDK as a client of an endpoint, given as `host:port`.
    pub async fn of(endpoint: &str) -> Self {
        let python = tokio::task::spawn_blocking(python).await.expect("an environment");
        Self { python, endpoint: endpoint.to_owned() }
    }

    /// Makes calls with these credentials, and perhaps their token: for each the answer as the SDK's models understood it,
    /// or its error.
    pub async fn call(&self, credentials: &Credentials, token: Option<&str>, calls: &[Value]) -> Vec<Value> {
        let order = json!({
            "endpoint": self.endpoint,
            "secret_id": credentials.secret_id,
            "secret_key": credentials.secret_key,
            "token": token,
            "calls": calls,
        });
        let python = self.python.clone();
        let output = tokio::task::spawn_blocking(move || run(&python, &order.to_string())).await;
        serde_json::from_slice(&output.expect("a run")).expect("a list of answers")
    }
}

/// Runs the script with this input and gives its output.
fn run(python: &Path, input: &str) -> Vec<u8> {
    let mut command = Command::new(python);
    command.arg(root().join("tests/sdk/call.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the interpreter");
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("the script reads");
    let output = child.wait_with_output().expect("the script ends");
    assert!(output.status.success(), "the script failed, see above");
    output.stdout
}

/// The interpreter of an environment that has the SDK.
fn python() -> PathBuf {
    if let Some(prepared) = std::env::var_os("PYTHON_ENV") {
        return Path::new(&prepared).join("bin/python");
    }
    let requirements = root().join("tests/sdk/requirements.txt");
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-env");
    let python = environment.join("bin/python");
    // pip checks whether everything is installed. This takes a second if it is.
    if !python.exists() {
        succeed(Command::new("python3").args(["-m", "venv"]).arg(&environment));
    }
    succeed(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(requirements),
    );
    python
}

fn succeed(command: &mut Command) {
    let status = command.status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "{command:?}: {status:?}; set PYTHON_ENV to a virtual environment that has tests/sdk/requirements.txt"
    );
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
