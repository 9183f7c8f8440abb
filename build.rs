//! Passes the revision of the source and the version of the compiler to the program.
//!
//! Nothing here depends on the time or the place of the build. Outside git, packagers set `VPN_EXPORTER_REVISION`.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

const REVISION: &str = "VPN_EXPORTER_REVISION";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={REVISION}");
    let given = env::var(REVISION).ok().filter(|revision| !revision.is_empty());
    let revision = given.or_else(revision_of_git).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env={REVISION}={revision}");

    let compiler = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    // "rustc 1.90.0 (1159e78c4 2025-09-14)"
    let version = output(&compiler, &["--version"]);
    let version = version.as_deref().and_then(|version| version.split(' ').nth(1)).unwrap_or("unknown");
    println!("cargo::rustc-env=VPN_EXPORTER_RUSTC={version}");
}

/// The commit that is checked out, if this directory is the root of a repository and not only within one.
fn revision_of_git() -> Option<String> {
    let root = PathBuf::from(output("git", &["rev-parse", "--show-toplevel"])?);
    let here = env::current_dir().ok()?.canonicalize().ok()?;
    if root.canonicalize().ok()? != here {
        return None;
    }
    // The log of HEAD grows with each commit and each checkout.
    for name in ["HEAD", "logs/HEAD"] {
        let path = output("git", &["rev-parse", "--git-path", name])?;
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    output("git", &["rev-parse", "HEAD"])
}

/// What a command prints, if it succeeds.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned())
}
