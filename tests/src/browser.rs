//! A real browser without a window, driven over its debugging pipe (Chrome DevTools Protocol): messages of JSON, each ended by a
//! zero byte, on two extra file descriptors. A missing browser fails the test.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use crate::tool::run;
use crate::wait::PATIENCE;

/// The browsers that will do, by their Debian names.
const BROWSERS: [&str; 2] = ["chromium-headless-shell", "chromium"];

/// What keeps the browser to itself: it looks for nothing on the network but the page.
const FLAGS: &str = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
                     --disable-component-update --disable-sync --disable-dev-shm-usage --remote-debugging-pipe";

/// One page in a browser of its own, which ends when it is dropped.
#[derive(Debug)]
pub struct Page {
    browser: Child,
    commands: File,
    messages: Receiver<Value>,
    session: Option<String>,
    number: u64,
}

impl Page {
    /// Opens a page; the browser keeps its files in `folder`.
    ///
    /// # Panics
    /// When there is no browser, or it does not open the page.
    #[must_use]
    pub fn open(folder: &Path, url: &str) -> Self {
        let (input, output) = (folder.join("browser.in"), folder.join("browser.out"));
        let _ = run("mkfifo", &[&input.display().to_string(), &output.display().to_string()]).ok();
        // Opened for both directions, a pipe with a name needs nobody at its other end.
        let pipe = |path: &Path| File::options().read(true).write(true).open(path).expect("the pipe opens");
        let (commands, answers) = (pipe(&input), pipe(&output));
        let script = format!(
            "exec \"$(command -v {})\" {FLAGS} --user-data-dir='{}' about:blank 3<'{}' 4>'{}'",
            BROWSERS.join(" || command -v "),
            folder.join("browser").display(),
            input.display(),
            output.display(),
        );
        let mut browser = Command::new("bash");
        browser.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let browser = browser.spawn().expect("bash starts");
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(answers).split(0) {
                let Ok(message) = message.map(|bytes| serde_json::from_slice(&bytes).unwrap_or_default()) else { return };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut page = Self { browser, commands, messages, session: None, number: 0 };
        let target = page.call("Target.createTarget", json!({ "url": url }))["targetId"].clone();
        let attached = page.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        page.session = attached["sessionId"].as_str().map(str::to_owned);
        page
    }

    /// The value of a JavaScript expression in the page.
    ///
    /// # Panics
    /// When it throws.
    pub fn value(&mut self, expression: &str) -> Value {
        let answer = self.call("Runtime.evaluate", json!({ "expression": expression, "returnByValue": true }));
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// What a reader sees inside the first element that a selector finds.
    pub fn text(&mut self, selector: &str) -> String {
        let text = self.value(&format!("document.querySelector({})?.innerText ?? ''", json!(selector)));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Calls a method and waits for its result; events are passed over.
    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.commands.write_all(&bytes).expect("the browser listens");
        loop {
            let answer = self.messages.recv_timeout(PATIENCE).unwrap_or_else(|error| {
                panic!("{method}: {error}; is a browser installed? `make deps` installs what the tests use")
            });
            if answer["id"] == self.number {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}
