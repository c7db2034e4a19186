"""`python -m reference`: write every page whose content has changed."""

from __future__ import annotations

from reference.pages import ROOT, pages


def main() -> None:
    for name, content in pages().items():
        file = ROOT / name
        if not file.exists() or file.read_text() != content:
            file.parent.mkdir(exist_ok=True)
            file.write_text(content)
            print(f"wrote {name}")


if __name__ == "__main__":
    main()
