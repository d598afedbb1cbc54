FROM debian:testing-slim
RUN <<-INSTALL
	set -e
	export DEBIAN_FRONTEND=noninteractive
	apt-get update
	apt-get install --yes --no-install-recommends biber latexmk texlive-latex-extra \
	    texlive-fonts-recommended texlive-lang-german texlive-luatex
	# documentation is most of it
	rm -rf /usr/share/doc /var/lib/apt/lists/*
	INSTALL
RUN cat <<LATEXMK > /etc/LatexMk && cat <<'SCRIPT' > /usr/local/bin/paper
$pdf_mode = 4;
$out_dir = 'build';
LATEXMK
#!/bin/sh
exec latexmk -r /etc/LatexMk "${@:-main.tex}"
SCRIPT
RUN chmod +x /usr/local/bin/paper
WORKDIR /paper
ENTRYPOINT ["paper"]
