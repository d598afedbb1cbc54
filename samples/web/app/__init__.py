"""A guest book that lives as long as its container."""

import os
import platform

from flask import Flask, redirect, render_template, request, url_for

GREETING = "Hello from a container"


def create() -> Flask:
    app = Flask(__name__)
    entries: list[str] = []

    @app.get("/")
    def index() -> str:
        return render_template(
            "index.html",
            greeting=GREETING,
            entries=entries,
            host=platform.node(),
            user=os.getuid(),
        )

    @app.post("/")
    def sign():
        text = request.form.get("entry", "").strip()[:200]
        if text:
            entries.append(text)
        return redirect(url_for("index"))

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    return app
