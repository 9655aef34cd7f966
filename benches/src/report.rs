//! The report: a table for people, and `target/bench/report.json` for programs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was done, such as `decide/1000/deny`.
    pub workload: String,
    /// By which program, such as `portcullis`.
    pub program: String,
    /// The median.
    pub value: f64,
    /// Of what, such as `ns` or `tps`.
    pub unit: String,
}

impl Figure {
    /// A figure, ready to be reported.
    pub fn new(workload: impl Into<String>, program: &str, value: f64, unit: &str) -> Self {
        Self { workload: workload.into(), program: program.into(), value, unit: unit.into() }
    }
}

/// Prints a table, workloads down and programs across, and merges the figures into the report.
///
/// # Errors
///
/// The report can't be read, is no list of figures, or can't be written.
pub fn publish(figures: &[Figure]) -> io::Result<()> {
    print!("{}", table(figures));
    let path = path();
    merge(&path, figures)?;
    println!("\nwritten to {}", path.display());
    Ok(())
}

/// Where the report is: the main workspace's `target/bench/report.json`.
pub fn path() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap_or(root).join("target/bench/report.json")
}

/// A figure replaces an older one of the same workload and program; all others stay.
fn merge(path: &Path, figures: &[Figure]) -> io::Result<()> {
    let mut all: Vec<Figure> = match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let replaced =
        |old: &Figure| figures.iter().any(|new| new.workload == old.workload && new.program == old.program);
    all.retain(|old| !replaced(old));
    all.extend_from_slice(figures);
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(path, serde_json::to_vec_pretty(&all)?)
}

fn table(figures: &[Figure]) -> String {
    let mut workloads: Vec<&str> = Vec::new();
    let mut programs: Vec<&str> = Vec::new();
    for figure in figures {
        if !workloads.contains(&&*figure.workload) {
            workloads.push(&figure.workload);
        }
        if !programs.contains(&&*figure.program) {
            programs.push(&figure.program);
        }
    }
    let width = workloads.iter().map(|workload| workload.len()).max().unwrap_or(0);
    let mut text = format!("{:width$}", "");
    for program in &programs {
        text += &format!("{program:>16}");
    }
    text.push('\n');
    for workload in workloads {
        text += &format!("{workload:width$}");
        for program in &programs {
            let found =
                figures.iter().find(|figure| figure.workload == workload && figure.program == *program);
            let cell = found.map(|figure| format!("{} {}", rounded(figure.value), figure.unit));
            text += &format!("{:>16}", cell.unwrap_or_else(|| "–".into()));
        }
        text.push('\n');
    }
    text
}

/// Three digits are as much as one run tells.
fn rounded(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_figure_replaces_its_predecessor_only() {
        let path = std::env::temp_dir().join(format!("portcullis-report-{}.json", std::process::id()));
        let old = [Figure::new("a", "x", 1.0, "ns"), Figure::new("a", "y", 2.0, "ns")];
        merge(&path, &old).unwrap();
        merge(&path, &[Figure::new("a", "x", 3.0, "ns")]).unwrap();
        let all: Vec<Figure> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(all, [Figure::new("a", "y", 2.0, "ns"), Figure::new("a", "x", 3.0, "ns")]);
    }

    #[test]
    fn the_table_has_workloads_down_and_programs_across() {
        let text = table(&[Figure::new("a", "x", 1234.5, "ns"), Figure::new("b", "y", 1.5, "µs")]);
        assert!(text.lines().nth(1).unwrap().contains("1234 ns") || text.contains("1235 ns"), "{text}");
        assert!(text.lines().nth(2).unwrap().ends_with("1.50 µs"), "{text}");
    }
}
