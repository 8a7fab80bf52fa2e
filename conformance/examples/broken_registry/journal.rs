//! The file of changes, one line each. What a full disk takes half of is taken back.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;

use serde_json::Value;

pub(crate) struct Journal {
    file: File,
    /// What nobody waits for and could not be written yet, in order.
    owed: Vec<String>,
}

impl Journal {
    /// With what stands in it.
    pub(crate) fn open(data: &PathBuf, must_be_whole: bool) -> (Self, Vec<Value>) {
        let file = OpenOptions::new().create(true).append(true).read(true).open(data).expect("the data file");
        if must_be_whole {
            crate::spoilt::refuse(data);
        }
        let lines = BufReader::new(file.try_clone().expect("a second handle")).lines();
        let lines = lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()).collect();
        (Self { file, owed: Vec::new() }, lines)
    }

    /// Whether it was written, behind all that is owed.
    pub(crate) fn write(&mut self, text: &str) -> bool {
        self.catch_up();
        self.owed.is_empty() && self.append(text)
    }

    pub(crate) fn write_some_time(&mut self, text: String) {
        self.owed.push(text);
        self.catch_up();
    }

    pub(crate) fn catch_up(&mut self) {
        let owed = std::mem::take(&mut self.owed);
        let mut left = owed.into_iter();
        while let Some(text) = left.next() {
            if !self.append(&text) {
                self.owed.push(text);
                self.owed.extend(left);
                return;
            }
        }
    }

    fn append(&mut self, text: &str) -> bool {
        let length = self.file.metadata().expect("the data file is there").len();
        let written = self.file.write_all(text.as_bytes()).is_ok();
        if !written {
            self.file.set_len(length).expect("the data file can be cut");
        }
        written
    }
}
