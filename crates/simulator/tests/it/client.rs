//! A small client. It sends one request per connection and signs it with its own code.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};
use simulator::{Control, Credentials, Options, Simulator};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

/// A simulator that runs until this is dropped.
pub(crate) struct RunningSimulator {
    pub(crate) control: Control,
    pub(crate) client: Client,
    task: JoinHandle<()>,
}

impl RunningSimulator {
    pub(crate) async fn start(options: Options) -> Self {
        let address = "127.0.0.1:0".parse().expect("an address");
        let simulator = Simulator::bind(options, address).await.expect("a simulator");
        let client =
            Client { host: simulator.local_addr().to_string(), credentials: simulator.credentials().clone() };
        let control = simulator.control();
        Self { control, client, task: tokio::spawn(simulator.run(std::future::pending())) }
    }

    /// Starts a simulator with these regions and numbers of tunnels, all of them up.
    pub(crate) async fn frozen(regions: &[(&str, usize)]) -> Self {
        let regions = regions.iter().map(|(name, tunnels)| ((*name).to_owned(), *tunnels)).collect();
        Self::start(Options { regions, frozen: true, ..Options::default() }).await
    }
}

impl Drop for RunningSimulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) host: String,
    pub(crate) credentials: Credentials,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn response(&self) -> Value {
        let body: Value = serde_json::from_str(&self.body).expect("an answer in JSON");
        body["Response"].clone()
    }
}

/// A request that a test can change before it is sent.
pub(crate) struct Request {
    client: Client,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) service: &'static str,
    pub(crate) timestamp: u64,
    /// The host that is signed, which can differ from the `Host` header.
    pub(crate) signed_host: String,
    pub(crate) key: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Client {
    pub(crate) async fn describe(&self, region: &str, parameters: Value) -> Value {
        self.call("DescribeVpnConnections", region, parameters).await
    }

    /// Sends a request for an action and returns the content of the response.
    pub(crate) async fn call(&self, action: &str, region: &str, parameters: Value) -> Value {
        self.request(action, region, &parameters).send().await.response()
    }

    /// Sends a request and returns the error code of the response.
    pub(crate) async fn refusal(&self, region: &str, parameters: Value) -> String {
        let response = self.describe(region, parameters).await;
        response["Error"]["Code"].as_str().unwrap_or_else(|| panic!("no refusal: {response}")).to_owned()
    }

    pub(crate) fn request(&self, action: &str, region: &str, parameters: &Value) -> Request {
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        let headers = [
            ("Host", self.host.as_str()),
            ("Content-Type", "application/json"),
            ("X-TC-Action", action),
            ("X-TC-Version", "2017-03-12"),
            ("X-TC-Region", region),
        ];
        Request {
            method: "POST",
            path: "/".to_owned(),
            service: "vpc",
            timestamp,
            signed_host: self.host.clone(),
            key: self.credentials.secret_key.clone(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            body: parameters.to_string(),
            client: self.clone(),
        }
    }
}

impl Request {
    /// Sets the product and its version.
    pub(crate) fn for_product(mut self, service: &'static str, version: &str) -> Self {
        self.service = service;
        self.with("X-TC-Version", Some(version))
    }

    /// Sets or removes a header. `send` and `open` add the default headers that are not set.
    pub(crate) fn with(mut self, name: &str, value: Option<&str>) -> Self {
        self.headers.retain(|(known, _)| known != name);
        // An empty value stops the default header from being added again.
        self.headers.push((name.to_owned(), value.unwrap_or_default().to_owned()));
        self
    }

    pub(crate) async fn send(self) -> Response {
        let mut stream = self.open().await;
        let mut response = Vec::new();
        stream.read_to_end(&mut response).await.expect("an answer");
        let response = String::from_utf8(response).expect("an answer in UTF-8");
        let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        Response { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Sends the request without reading the response.
    pub(crate) async fn open(self) -> TcpStream {
        let mut stream = TcpStream::connect(&self.client.host).await.expect("a connection");
        stream.write_all(self.text().as_bytes()).await.expect("a request");
        stream
    }

    fn text(mut self) -> String {
        self.fill_in("X-TC-Timestamp", &self.timestamp.to_string());
        let authorization = self.authorization();
        self.fill_in("Authorization", &authorization);
        let present = self.headers.iter().filter(|(_, value)| !value.is_empty());
        let headers: Vec<_> = present.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!(
            "{} {} HTTP/1.1\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n{}",
            self.method,
            self.path,
            headers.concat(),
            self.body.len(),
            self.body
        )
    }

    fn fill_in(&mut self, name: &str, value: &str) {
        if self.headers.iter().all(|(known, _)| known != name) {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
    }

    fn authorization(&self) -> String {
        let content_type = self.headers.iter().find(|(name, _)| name == "Content-Type");
        let content_type = content_type.map_or("", |(_, value)| value);
        let time = jiff::Timestamp::from_second(self.timestamp.try_into().expect("a time")).expect("a time");
        let date = time.strftime("%Y-%m-%d").to_string();
        let canonical = format!(
            "POST\n/\n\ncontent-type:{content_type}\nhost:{}\n\ncontent-type;host\n{}",
            self.signed_host,
            hex::encode(Sha256::digest(&self.body))
        );
        let scope = format!("{date}/{}/tc3_request", self.service);
        let hash = hex::encode(Sha256::digest(canonical));
        let text = format!("TC3-HMAC-SHA256\n{}\n{scope}\n{hash}", self.timestamp);
        let key = [date.as_str(), self.service, "tc3_request"]
            .iter()
            .fold(format!("TC3{}", self.key).into_bytes(), |key, text| hmac(&key, text));
        let signature = hex::encode(hmac(&key, &text));
        let id = &self.client.credentials.secret_id;
        format!(
            "TC3-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders=content-type;host, Signature={signature}"
        )
    }
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
