# escape=`
FROM mcr.microsoft.com/dotnet/framework/sdk:4.8-windowsservercore-ltsc2022 AS build
SHELL ["powershell", "-Command", "$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue';"]

ENV NUGET_VERSION=6.9.1 `
    NUGET_ROOT=C:\nuget
RUN New-Item -ItemType Directory -Path $Env:NUGET_ROOT ; `
    Invoke-WebRequest `
        -UseBasicParsing `
        -Uri ('https://dist.example.org/win-x86-commandline/v{0}/nuget.exe' -f $Env:NUGET_VERSION) `
        -OutFile C:\nuget\nuget.exe
WORKDIR C:\src
COPY *.sln .\
COPY Site\*.csproj Site\
RUN C:\nuget\nuget.exe restore
COPY . .
RUN msbuild Site\Site.csproj /p:Configuration=Release /p:OutputPath=C:\out

FROM mcr.microsoft.com/dotnet/framework/aspnet:4.8-windowsservercore-ltsc2022
WORKDIR C:\inetpub\wwwroot
COPY --from=build C:\out\_PublishedWebsites\Site\ .\
RUN icacls C:\inetpub\wwwroot\App_Data /grant `"IIS AppPool\DefaultAppPool:(OI)(CI)M`"
HEALTHCHECK CMD powershell -Command `
    try { `
      $r = Invoke-WebRequest http://localhost/health -UseBasicParsing; `
      if ($r.StatusCode -eq 200) { exit 0 } else { exit 1 } `
    } catch { exit 1 }
