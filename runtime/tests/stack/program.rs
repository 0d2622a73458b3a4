//! A whole program in a child process: flags, environment, signals, exit codes. The child is this test binary again, told by the
//! environment to be the program instead.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use polder_runtime::config::{ProcessConfig, ProcessFlags};
use polder_runtime::link::Link;
use polder_runtime::process::run;

use super::echo::{Echo, SOON, Text, component, program, say};

const ROLE: &str = "POLDER_TEST_IS_THE_PROGRAM";

/// Not a test by itself: the program, when the environment says so.
#[test]
fn the_program() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let flags = ProcessFlags { dump_config: std::env::var_os("DUMP").is_some(), ..ProcessFlags::default() };
    let code = run(program(), &flags, vec![], |process, _: ProcessConfig| async move {
        let running = process.start(vec![component(&Echo::default())]).await?;
        println!("serving {}", running.addresses().grpc.ok_or("nowhere")?);
        Ok(running.wait().await?)
    });
    std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
}

struct Program {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Program {
    fn start(environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "program::the_program", "--nocapture"])
            .env(ROLE, "1")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// Reads until the address is printed.
    fn link(&mut self) -> Link {
        let mut line = String::new();
        while self.out.read_line(&mut line).unwrap() > 0 {
            if let Some((_, address)) = line.split_once("serving ") {
                return Link::remote(&[format!("http://{}", address.trim())], None).unwrap();
            }
            line.clear();
        }
        panic!("the program ended: {}", self.stderr());
    }

    fn stderr(&mut self) -> String {
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    async fn exit_code(mut self) -> i32 {
        tokio::task::spawn_blocking(move || self.child.wait().unwrap().code().unwrap()).await.unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[tokio::test]
async fn a_signal_ends_the_program_well() {
    for signal in ["TERM", "INT"] {
        let mut program = Program::start(&[("POLDER_GRPC_LISTEN", "127.0.0.1:0")]);
        let link = program.link();
        say(&link, Text::of("hello")).await.unwrap();
        program.signal(signal);
        assert_eq!(tokio::time::timeout(SOON, program.exit_code()).await.unwrap(), 0, "{signal}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_the_program_at_once() {
    let mut program = Program::start(&[("POLDER_GRPC_LISTEN", "127.0.0.1:0"), ("POLDER_DRAIN_TIMEOUT", "1h")]);
    let link = program.link();
    let hanging = say(&link, Text::of("hang"));
    let end = async {
        // The call must be there before the drain begins: a second call is answered after it.
        say(&link, Text::of("behind it")).await.unwrap();
        program.signal("TERM");
        // The drain has begun when the program takes no connections any more.
        let mut stderr = BufReader::new(program.child.stderr.take().unwrap());
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            while !line.contains("draining") {
                line.clear();
                assert!(stderr.read_line(&mut line).unwrap() > 0, "the program ended too early");
            }
            (line, stderr)
        });
        let _kept_open = line.await.unwrap();
        program.signal("TERM");
        program.exit_code().await
    };
    let (answer, code) = tokio::time::timeout(SOON, async { tokio::join!(hanging, end) }).await.unwrap();
    answer.unwrap_err();
    assert_eq!(code, 1);
}

#[tokio::test]
async fn a_bad_setting_ends_the_program_with_its_name() {
    let mut program = Program::start(&[("POLDER_GRPC_LISTEN", "0.0.0.0:0")]);
    let said = program.stderr();
    assert!(said.contains("refusing to listen on 0.0.0.0:0 without TLS"), "{said}");
    assert_eq!(program.exit_code().await, 1);
}

#[tokio::test]
async fn the_effective_configuration_can_be_dumped() {
    let mut program = Program::start(&[("DUMP", "1"), ("POLDER_TELEMETRY_LOG_FORMAT", "json"), ("POLDER_STORE", "etcd://a:2379")]);
    let mut said = String::new();
    program.out.read_to_string(&mut said).unwrap();
    assert!(said.contains("store = \"etcd://a:2379\"") && said.contains("log_format = \"json\""), "{said}");
    assert_eq!(program.exit_code().await, 0);
}
