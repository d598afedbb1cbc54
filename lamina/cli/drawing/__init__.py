"""Pictures of build graphs: as text, dot, mermaid, SVG."""
