# From the old days.
FROM ubuntu:14.04
MAINTAINER Old Timer "old@example.org"
ENV DEBIAN_FRONTEND noninteractive
ENV JAVA_HOME /usr/lib/jvm/java-7-openjdk-amd64
ENV PATH $JAVA_HOME/bin:$PATH
ENV MESSAGE Its "quoted" and \$literal, with   inner   blanks
RUN echo "deb http://archive.ubuntu.com/ubuntu trusty main universe" > /etc/apt/sources.list
RUN apt-get update
RUN apt-get install -y openjdk-7-jre-headless wget
RUN cd /opt && wget -q http://example.org/apache-tomcat-7.tar.gz && tar xzf apache-tomcat-7.tar.gz
ADD app.war /opt/tomcat/webapps/ROOT.war
ADD run.sh /
ADD http://example.org/extra.jar /opt/tomcat/lib/
RUN chmod +x /run.sh
VOLUME ["/opt/tomcat/logs", "/data"]
EXPOSE 8080 8009
ENTRYPOINT /run.sh
