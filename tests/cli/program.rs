//! Runs the program with captured streams.

use std::ffi::OsString;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use stagegate::cli::{self, Exit, Output, Surroundings, Tools};
use tokio::sync::Notify;

/// What a run of the program left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// A folder with the files of a test, and the program in it.
pub(crate) struct Program {
    folder: tempfile::TempDir,
    pub(crate) input: String,
    pub(crate) tools: Tools,
    /// Whether the program is interrupted as soon as it waits for the host.
    pub(crate) interrupted: bool,
    /// Rung to interrupt it then, and once more.
    pub(crate) interrupts: [Arc<Notify>; 2],
    /// What STAGEGATE_DATABASE names.
    pub(crate) database: Option<OsString>,
}

impl Program {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            input: String::new(),
            tools: Tools::of_process(),
            interrupted: false,
            interrupts: Default::default(),
            database: None,
        }
    }

    /// The path of a file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Runs the program with these arguments.
    pub(crate) fn run<A: AsRef<Path>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        tokio::runtime::Runtime::new().unwrap().block_on(self.start(args))
    }

    /// The same beside something else that runs.
    pub(crate) async fn start<A: AsRef<Path>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        let (output, errors) = (Captured::default(), Captured::default());
        let [first, second] = self.interrupts.clone();
        let rung = |bell: Arc<Notify>| async move { bell.notified().await };
        let mut surroundings = Surroundings {
            input: Box::new(Cursor::new(self.input.clone())),
            output: Output::plain(output.clone()),
            errors: Output::plain(errors.clone()),
            interrupt: if self.interrupted {
                Box::pin(std::future::ready(()))
            } else {
                Box::pin(rung(first))
            },
            second_interrupt: Box::pin(rung(second)),
            database: self.database.clone(),
            logs: false,
            tools: self.tools.clone(),
            cache_directory: Some(self.path("cache")),
        };
        let args = args.into_iter().map(|arg| arg.as_ref().as_os_str().to_owned());
        let args: Vec<OsString> = std::iter::once("stagegate".into()).chain(args).collect();
        let exit = cli::run(args, &mut surroundings).await;
        Ran { exit, output: output.text(), errors: errors.text() }
    }
}

/// The credit guard's component, built once by the program itself.
pub(crate) fn component() -> &'static Path {
    static COMPONENT: OnceLock<PathBuf> = OnceLock::new();
    COMPONENT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample-plugins/credit-guard");
        let built = Program::new().run([
            "inspect".as_ref(),
            folder.as_os_str(),
            "--format".as_ref(),
            "json".as_ref(),
        ]);
        assert_eq!(built.exit, Exit::Done, "{}", built.errors);
        assert!(built.errors.contains("building credit-guard for wasm32-wasip2 ..."), "{}", built.errors);
        let inspection: serde_json::Value = serde_json::from_str(&built.output).unwrap();
        inspection["path"].as_str().unwrap().into()
    })
}

impl Ran {
    /// Asserts that nothing ran, and that the error says all of `parts`.
    #[track_caller]
    pub(crate) fn unusable(&self, parts: &[&str]) {
        assert_eq!(self.exit, Exit::Unusable, "{self:?}");
        for part in parts {
            assert!(self.errors.contains(part), "`{part}` is not in:\n{}", self.errors);
        }
    }
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
