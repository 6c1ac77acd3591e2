//! Documents for `flowdrift matrix import`: each is a folder with the document, what is given beside it, and the rows and
//! problems that are expected.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use flowdrift::matrix::{
    Faults,
    import::{Import, Options, Vocabulary, import},
    write::Shown,
};
use serde_json::{Value, json};

/// One folder.
#[derive(Clone, Debug)]
pub struct Document {
    /// The folder.
    pub folder: PathBuf,
    /// The document's name within it: `input.` with the ending that people give such documents.
    pub file: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What is given beside it.
    pub options: Options,
}

/// All of them, in the order of their names.
///
/// # Errors
///
/// When one cannot be read.
pub fn all(root: &Path) -> io::Result<Vec<Document>> {
    let mut folders: Vec<PathBuf> = fs::read_dir(root.join("tests/documents"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    folders.sort();
    folders.into_iter().map(Document::read).collect()
}

impl Document {
    fn read(folder: PathBuf) -> io::Result<Self> {
        let names =
            fs::read_dir(&folder)?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut files: Vec<String> = names.filter(|name| name.starts_with("input.")).collect();
        files.sort();
        let file = files.pop().ok_or_else(|| io::Error::other(format!("{}: no input", folder.display())))?;
        let vocabulary = fs::read_to_string(folder.join("vocabulary.txt")).unwrap_or_default();
        let options = Options { vocabulary: Vocabulary::of_text(&vocabulary), ..Options::default() };
        Ok(Self { bytes: fs::read(folder.join(&file))?, folder, file, options })
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// When it declares nothing.
    pub fn import(&self) -> Result<Import, Faults> {
        import(&self.bytes, &self.file, &self.options)
    }

    /// What was read, in the form of `expected.json`.
    #[must_use]
    pub fn outcome(&self) -> Value {
        match self.import() {
            Ok(Import { rows, problems }) => {
                let rows: Vec<Shown<'_>> = rows.iter().map(|row| Shown::of(row, &self.file)).collect();
                json!({ "rows": rows, "problems": problems })
            }
            Err(faults) => json!({ "faults": faults.to_string().lines().collect::<Vec<_>>() }),
        }
    }

    /// What is expected.
    #[must_use]
    pub fn expected(&self) -> PathBuf {
        self.folder.join("expected.json")
    }
}
