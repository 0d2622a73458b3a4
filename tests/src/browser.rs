//! A real browser, driven by the DevTools protocol over a pair of pipes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use serde_json::{Value, json};

use crate::wait::{PATIENCE, eventually};

/// The browsers that `make deps` may have installed, by the names Debian gives them.
const NAMES: [&str; 2] = ["chromium-headless-shell", "chromium"];

/// It runs as root too, in a container with little shared memory, and looks for nothing on the network but the page.
const FLAGS: [&str; 8] = [
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
];

/// The most messages that wait to be read; a browser that says more is made to wait.
const WAITING: usize = 1024;

/// One page in a headless Chromium. The browser ends when this is dropped.
pub struct Page {
    browser: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    last_id: u64,
    session: Option<String>,
    complaints: Vec<String>,
}

impl Page {
    /// Starts a browser with its profile in `folder` and opens `url`.
    ///
    /// # Panics
    /// When there is no browser, or it does not come up.
    #[must_use]
    pub fn open(folder: &Path, url: &str) -> Self {
        let log = folder.join("browser.log");
        // The protocol's pipes are the descriptors 3 and 4, each message ending with a zero byte.
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >&2"#]).arg(binary());
        command.args(FLAGS).arg(format!("--user-data-dir={}", folder.join("browser").display())).arg("about:blank");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(std::fs::File::create(&log).expect("a log can be made"));
        let mut browser = command.spawn().expect("a shell starts");
        let commands = browser.stdin.take().expect("a pipe");
        let answers = browser.stdout.take().expect("a pipe");
        let (sender, messages) = sync_channel(WAITING);
        std::thread::spawn(move || read(answers, &sender));
        let mut page = Self { browser, commands, messages, last_id: 0, session: None, complaints: Vec::new() };
        let target = page.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = page.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        page.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            page.call(domain, json!({}));
        }
        let went = page.call("Page.navigate", json!({ "url": url }));
        assert!(went["errorText"].is_null(), "{url}: {went}");
        page
    }

    /// The value of a JavaScript expression in the page.
    ///
    /// # Panics
    /// When it throws.
    pub fn value(&mut self, expression: &str) -> Value {
        self.attempt(expression).unwrap_or_else(|thrown| panic!("{expression}: {thrown}"))
    }

    fn attempt(&mut self, expression: &str) -> Result<Value, String> {
        let request = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", request);
        match &answer["exceptionDetails"] {
            Value::Null => Ok(answer["result"]["value"].take()),
            thrown => Err(thrown["exception"]["description"].to_string()),
        }
    }

    /// What a reader sees inside the first element that a selector finds; empty when there is none.
    pub fn text(&mut self, selector: &str) -> String {
        let text = self.value(&format!("document.querySelector({})?.innerText ?? ''", json!(selector)));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression does not throw and `good` takes its value, and gives it.
    ///
    /// # Panics
    /// When it does not in time.
    pub fn wait_for(&mut self, what: &str, expression: &str, good: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || {
            let value = self.attempt(expression)?;
            if good(&value) { Ok(value) } else { Err(value.to_string()) }
        })
    }

    /// What the page has complained of so far: exceptions that nothing caught, and errors in its console, such as a file that is
    /// not there or something that the page's policy forbids.
    #[must_use]
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.commands.write_all(&bytes).expect("the browser reads");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut message = self.messages.recv_timeout(left).unwrap_or_else(|error| panic!("{method}: no answer: {error}"));
            if message["id"] == self.last_id {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
            self.complaints.extend(complaint(&message));
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}

fn complaint(event: &Value) -> Option<String> {
    let params = &event["params"];
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(params["exceptionDetails"].to_string()),
        "Log.entryAdded" if params["entry"]["level"] == "error" => Some(params["entry"].to_string()),
        "Runtime.consoleAPICalled" if params["type"] == "error" => Some(params["args"].to_string()),
        _ => None,
    }
}

/// Passes messages on until the browser ends.
fn read(answers: ChildStdout, messages: &SyncSender<Value>) {
    let mut answers = BufReader::new(answers);
    loop {
        let mut bytes = Vec::new();
        match answers.read_until(0, &mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(_) => drop(bytes.pop()),
        }
        let message = serde_json::from_slice(&bytes).expect("the browser speaks JSON");
        if messages.send(message).is_err() {
            return;
        }
    }
}

/// `$CHROMIUM`, or the first browser on the path.
fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return named.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let found = NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("there is none of {NAMES:?} on the path: `make deps` installs what the tests use"))
}
