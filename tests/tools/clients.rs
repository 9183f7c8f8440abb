//! Common HTTP clients read a large scrape whole, plain and over TLS.

use std::{process::Stdio, sync::Arc};

use test_support::{
    pki::{Authority, Files},
    web_server::{Server, Setup, exposition, large_text},
};
use tokio::process::Command;

#[tokio::test]
#[ignore = "needs curl, Python and Node; tests/run runs it"]
async fn curl_python_and_node_read_gzip() {
    let server = Server::with_defaults().await;
    let text = large_text();
    server.exposition.send_replace(Arc::new(exposition(&text)));
    let url = format!("http://{}/metrics", server.address);
    let script = "import gzip, sys, urllib.request as u\n\
                  ask = u.Request(sys.argv[1], headers={'Accept-Encoding': 'gzip'})\n\
                  response = u.build_opener(u.ProxyHandler({})).open(ask)\n\
                  assert response.headers['Content-Encoding'] == 'gzip'\n\
                  sys.stdout.write(gzip.decompress(response.read()).decode())";
    let node = "const http = require('http'), zlib = require('zlib'), assert = require('assert');\n\
                http.get(process.argv[1], {headers: {'accept-encoding': 'gzip'}}, response => {\n\
                  assert.equal(response.headers['content-encoding'], 'gzip');\n\
                  const parts = [];\n\
                  response.on('data', part => parts.push(part));\n\
                  response.on('end', () => process.stdout.write(zlib.gunzipSync(Buffer.concat(parts))));\n\
                });";
    for (client, arguments) in [
        ("curl", vec!["--compressed", "--silent", "--show-error", "--fail", "--noproxy", "*", &url]),
        ("python3", vec!["-c", script, &url]),
        ("node", vec!["-e", node, &url]),
    ] {
        let output = Command::new(client).args(arguments).output().await.unwrap();
        assert!(output.status.success(), "{client}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout == text.as_bytes(), "{client} read {} bytes", output.stdout.len());
    }
}

#[tokio::test]
#[ignore = "needs curl and Python; tests/run runs it"]
async fn curl_and_python_read_gzip_over_tls() {
    let authority = Authority::new("servers");
    let files = Files::tls(&authority.server(), "");
    files.write("ca.pem", &authority.pem);
    let server = Setup { web_config: Some(files.web_config()), ..Setup::default() }.start().await;
    let text = large_text();
    server.exposition.send_replace(Arc::new(exposition(&text)));
    let (url, ca) = (format!("https://{}/metrics", server.address), files.path("ca.pem"));
    let ca = ca.to_str().unwrap();
    let script = "import gzip, ssl, sys, urllib.request as u\n\
                  ask = u.Request(sys.argv[1], headers={'Accept-Encoding': 'gzip'})\n\
                  tls = u.HTTPSHandler(context=ssl.create_default_context(cafile=sys.argv[2]))\n\
                  sys.stdout.write(gzip.decompress(u.build_opener(u.ProxyHandler({}), tls).open(ask).read()).decode())";
    for (client, arguments) in [
        (
            "curl",
            vec![
                "--compressed",
                "--silent",
                "--show-error",
                "--fail",
                "--noproxy",
                "*",
                "--cacert",
                ca,
                &url,
            ],
        ),
        ("python3", vec!["-c", script, &url, ca]),
    ] {
        let output = Command::new(client).args(arguments).stdin(Stdio::null()).output().await.unwrap();
        assert!(output.status.success(), "{client}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout == text.as_bytes(), "{client} read {} bytes", output.stdout.len());
    }
}
