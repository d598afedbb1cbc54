FROM	debian:bookworm-slim	AS	base
RUN	set -ex;	\
	apt-get update;	\
	apt-get install -y	\
		curl	\
		xz-utils	\
	;	\
	rm -rf /var/lib/apt/lists/*
	ENV	A=1	B="two	tabs"
	LABEL	com.example.indented=yes
EXPOSE	80	443
COPY	a	b	/dest/
	# an indented comment
CMD	[	"sh"	,	"-c"	,	"true"	]
