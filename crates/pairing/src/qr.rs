//! QR codes as text for terminals and screens, and as SVG for the web page.

use qrcode::{Color, EcLevel, QrCode};

/// The light border around a code, in modules (ISO/IEC 18004 section 9.1).
const QUIET_ZONE: usize = 4;
/// The border of a code for which there is no more room; readers are content with it, though the standard is not.
const NARROW_QUIET_ZONE: usize = 2;

/// The reason why a text has no QR code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QrError {
    /// More text than a QR code holds (about 2300 bytes).
    TooLong,
}

impl std::fmt::Display for QrError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the text is too long for a QR code")
    }
}

impl std::error::Error for QrError {}

/// A square of modules with its quiet zone.
#[derive(Clone)]
pub(crate) struct Modules {
    code: QrCode,
    quiet_zone: usize,
}

impl Modules {
    pub(crate) fn new(text: &str) -> Result<Self, QrError> {
        // The lowest correction level: a screen has no scratches, and fewer modules scan better in half blocks.
        let code = QrCode::with_error_correction_level(text, EcLevel::L).map_err(|_| QrError::TooLong)?;
        Ok(Self { code, quiet_zone: QUIET_ZONE })
    }

    /// The same code with a narrower quiet zone.
    pub(crate) fn narrowed(&self) -> Self {
        Self { quiet_zone: NARROW_QUIET_ZONE, ..self.clone() }
    }

    /// The side of the square, the quiet zone included.
    pub(crate) fn width(&self) -> usize {
        self.code.width() + 2 * self.quiet_zone
    }

    pub(crate) fn is_dark(&self, x: usize, y: usize) -> bool {
        let inside = self.quiet_zone..self.quiet_zone + self.code.width();
        inside.contains(&x)
            && inside.contains(&y)
            && self.code[(x - self.quiet_zone, y - self.quiet_zone)] == Color::Dark
    }

    /// Lines of half-block characters: a character is two halves, above each other, and a module is `scale` halves wide
    /// and high. Light modules are drawn: for light text on a dark background.
    pub(crate) fn half_blocks(&self, scale: usize) -> Vec<String> {
        let side = self.width() * scale;
        let is_light = |x: usize, y: usize| y < side && !self.is_dark(x / scale, y / scale);
        let line = |y: usize| (0..side).map(|x| half_block(is_light(x, y), is_light(x, y + 1))).collect();
        (0..side).step_by(2).map(line).collect()
    }
}

fn half_block(upper: bool, lower: bool) -> char {
    match (upper, lower) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    }
}

/// The code in half-block characters, two rows a line, light modules drawn: for light text on a dark background.
pub fn half_blocks(text: &str) -> Result<String, QrError> {
    let lines = Modules::new(text)?.half_blocks(1);
    Ok(lines.iter().flat_map(|line| [line, "\n"]).collect())
}

/// The code as an SVG image without any external reference.
pub fn svg(text: &str) -> Result<String, QrError> {
    let modules = Modules::new(text)?;
    let width = modules.width();
    let mut path = String::new();
    for y in 0..width {
        let mut x = 0;
        while x < width {
            // One rectangle for a run of dark modules: half the text of one for each.
            let run = (x..width).take_while(|&x| modules.is_dark(x, y)).count();
            if run > 0 {
                path.push_str(&format!("M{x} {y}h{run}v1h-{run}z"));
            }
            x += run + 1;
        }
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {width}\" shape-rendering=\"crispEdges\" \
         role=\"img\" aria-label=\"QR code\"><rect width=\"{width}\" height=\"{width}\" fill=\"#fff\"/>\
         <path d=\"{path}\" fill=\"#000\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_a_light_border_and_three_finders() {
        let lines = half_blocks("dclogin:a@b?p=c&v=1").unwrap();
        let rows: Vec<Vec<char>> = lines.lines().map(|line| line.chars().collect()).collect();
        let width = rows[0].len();
        assert!(rows.iter().all(|row| row.len() == width));
        assert!(rows[0].iter().chain(&rows[1]).all(|&c| c == '█'), "the quiet zone is light");
        // The upper left finder: seven dark modules beside the quiet zone.
        assert!(rows[2][4..11].iter().all(|&c| c == '▄' || c == ' '));
    }

    #[test]
    fn each_half_of_a_character_is_one_module() {
        let text = "dclogin:a@b?p=c&v=1";
        let modules = Modules::new(text).unwrap();
        let lines = half_blocks(text).unwrap();
        assert_eq!(lines.lines().count(), modules.width().div_ceil(2));
        for (row, line) in lines.lines().enumerate() {
            assert_eq!(line.chars().count(), modules.width());
            for (x, half_block) in line.chars().enumerate() {
                let (upper, lower) = (row * 2, row * 2 + 1);
                let drawn = |y: usize| y < modules.width() && !modules.is_dark(x, y);
                let expected = match (drawn(upper), drawn(lower)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                };
                assert_eq!(half_block, expected, "column {x}, line {row}");
            }
        }
    }

    #[test]
    fn too_much_text_is_an_error() {
        assert_eq!(half_blocks(&"x".repeat(3000)), Err(QrError::TooLong));
    }

    #[test]
    fn svg_stands_alone() {
        let image = svg("hello").unwrap();
        assert!(image.starts_with("<svg") && !image.contains("href"));
    }
}
